"""What a run shows of itself: ``metrics.csv``, TensorBoard's event files with Stable-Baselines3's tags, and a progress bar."""

from __future__ import annotations

import csv
import math
import warnings
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Scalars = dict[str, float]


def minibatches(stats: dict[str, Any]) -> dict[str, npt.NDArray[np.float64]]:
    """The minibatches of an update's statistics, as one array a field."""
    found = stats["minibatches"]
    if isinstance(found, dict):
        return {key: np.asarray(value, np.float64) for key, value in found.items()}
    return {key: np.asarray([one[key] for one in found], np.float64) for key in (found[0] if found else {})}


def _mean(values: npt.NDArray[np.float64] | None) -> float:
    return float(np.mean(values)) if values is not None and values.size else math.nan


def train_tags(algorithm: str, stats: dict[str, Any], clip_range: float | None = None) -> Scalars:
    """Numbers of an update under the tags that Stable-Baselines3 logs the same numbers by.

    Means are over minibatches, each with the same weight, as there. ``stats`` is what ``Learner.update`` returned.
    """
    rows = minibatches(stats)
    get = rows.get
    tags: Scalars = {"train/value_loss": _mean(get("value_loss"))}
    if algorithm in ("dqn", "ddpg", "td3", "sac"):
        off = stats.get("off_policy") or {}
        del tags["train/value_loss"]
        tags["train/loss" if algorithm == "dqn" else "train/critic_loss"] = _mean(get("value_loss"))
        if algorithm != "dqn":
            tags["train/actor_loss"] = _mean(get("policy_loss"))
        # Before the first gradient step these are NaN, so that a table has their columns from its first row on.
        own = {"dqn": ("epsilon", "rollout/exploration_rate"), "sac": ("alpha", "train/ent_coef")}
        for key, tag in (*([own[algorithm]] if algorithm in own else []), ("gradient_steps", "train/n_updates")):
            tags[tag] = float(off[key]) if off.get(key) is not None else math.nan
        tags["train/learning_rate"] = float(stats["learning_rate"])
        return tags
    tags["train/explained_variance"] = float(stats["explained_variance"])
    tags["train/learning_rate"] = float(stats["learning_rate"])
    region = stats.get("trust_region")
    if region:
        tags["train/policy_objective"] = float(region["surrogate_after"])
        tags["train/kl_divergence_loss"] = float(region["kl_after"])
        tags["train/is_line_search_success"] = float(region["accepted"])
        tags["train/entropy_loss"] = -float(region["entropy"])
        return tags
    tags["train/entropy_loss"] = -_mean(get("entropy"))
    if algorithm in ("a2c", "reinforce"):
        tags["train/policy_loss"] = _mean(get("policy_loss"))
        return tags
    tags["train/policy_gradient_loss"] = _mean(get("policy_loss"))
    loss, kl = get("loss"), get("approx_kl")
    if loss is not None and kl is not None and loss.size:
        begun = int(stats["last_epoch"])
        tags["train/loss"] = float(loss[-1])
        # Of the last epoch that was begun, as there.
        tags["train/approx_kl"] = float(np.mean(kl[begun:]))
    tags["train/clip_fraction"] = _mean(get("clipfrac"))
    if stats.get("kl_coef") is not None:
        tags["train/kl_coef"] = float(stats["kl_coef"])
    if clip_range is not None:
        tags["train/clip_range"] = clip_range
    return tags


class RunLog:
    """Where the numbers of a run go. ``log_dir`` gets ``metrics.csv`` and, with ``tensorboardX`` installed, event files."""

    def __init__(self, log_dir: str | Path | None, total: int, progress_bar: bool) -> None:
        self._file: IO[str] | None = None
        self._csv: csv.DictWriter[str] | None = None
        self._board: Any = None
        self._bar: Any = None
        if log_dir is not None:
            folder = Path(log_dir)
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / "metrics.csv").open("w", newline="")
            self._board = self._writer(folder)
        if progress_bar:
            self._bar = self._progress(total)

    @staticmethod
    def _writer(folder: Path) -> Any:
        try:
            from tensorboardX import SummaryWriter  # type: ignore[import-untyped, import-not-found, unused-ignore]
        except ImportError:
            warnings.warn("no TensorBoard files are written: pip install 'wgpo[tensorboard]'", stacklevel=4)
            return None
        return SummaryWriter(str(folder))

    @staticmethod
    def _progress(total: int) -> Any:
        try:
            from tqdm.auto import tqdm  # type: ignore[import-untyped, import-not-found, unused-ignore]
        except ImportError:
            warnings.warn("no progress bar is shown: pip install 'wgpo[progress]'", stacklevel=4)
            return None
        return tqdm(total=total, unit="step", unit_scale=True)

    def record(self, row: dict[str, Any], tags: Scalars) -> None:
        """One update: ``row`` for the table, ``tags`` for TensorBoard."""
        step = int(row["num_timesteps"])
        if self._file is not None:
            if self._csv is None:
                self._csv = csv.DictWriter(self._file, list(row), extrasaction="ignore")
                self._csv.writeheader()
            self._csv.writerow(row)
            self._file.flush()
        if self._board is not None:
            for tag, value in tags.items():
                if math.isfinite(value):
                    self._board.add_scalar(tag, value, step)
        if self._bar is not None:
            self._bar.update(step - self._bar.n)
            if row["ep_rew_mean"] == row["ep_rew_mean"]:
                self._bar.set_postfix_str(f"return {row['ep_rew_mean']:.1f}")

    def start_at(self, step: int) -> None:
        """Shows ``step`` steps as done."""
        if self._bar is not None:
            self._bar.update(step - self._bar.n)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for opened in (self._file, self._board, self._bar):
            if opened is not None:
                opened.close()
