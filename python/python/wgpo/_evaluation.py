"""Whole episodes, played to measure a policy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._envs import Envs
from ._spaces import Array


@dataclass
class Evaluation:
    """Whole episodes that were played to measure a policy."""

    #: How many.
    episodes: int
    #: Mean return, undiscounted.
    mean: float
    #: Smallest return.
    min: float
    #: Largest return.
    max: float
    #: Mean steps of an episode.
    mean_length: float
    #: The return of each; empty where the device kept their sums alone.
    returns: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, returns: list[float], lengths: list[int]) -> Evaluation:
        """The summary of these episodes."""
        return cls(len(returns), float(np.mean(returns)), min(returns), max(returns), float(np.mean(lengths)), returns)

    @property
    def std(self) -> float:
        """Standard deviation of the returns, with n − 1; NaN where they are not known."""
        return float(np.std(self.returns, ddof=1)) if len(self.returns) > 1 else math.nan

    def __str__(self) -> str:
        return f"mean return {self.mean:.2f} over {self.episodes} episodes, from {self.min:.2f} to {self.max:.2f}"


def evaluate(
    where: Envs,
    act: Callable[[Array, Array | None], dict[str, Any]],
    episodes: int,
    seed: int,
) -> Evaluation:
    """Plays ``episodes`` episodes in ``where``, whose next rollout then begins new ones. See :meth:`wgpo.Algorithm.evaluate`."""
    where.reset(seed=seed)
    before, where.episodes = where.episodes, []
    share = [episodes // where.num_envs + (n < episodes % where.num_envs) for n in range(where.num_envs)]
    returns: list[float] = []
    played: list[int] = []
    totals, lengths = np.zeros(where.num_envs), np.zeros(where.num_envs, np.int64)
    while any(share):
        acted = act(where.obs, where.allowed)
        step = where.step(np.asarray(acted["env_actions"]))
        totals += step.rewards
        lengths += ~step.filler
        for n in np.flatnonzero(step.terminated | step.truncated):
            if share[n]:
                share[n] -= 1
                returns.append(float(totals[n]))
                played.append(int(lengths[n]))
            totals[n], lengths[n] = 0.0, 0
    where.episodes, where.started = before, False
    return Evaluation.of(returns, played)
