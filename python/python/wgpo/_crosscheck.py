"""Whether another trainer's update is ours: ``wgpo.crosscheck(model)``."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _native
from ._files import read_bytes, write_bytes
from ._log import minibatches, train_tags
from ._sb3_model import UnsupportedModel, get_moments, orders_of
from ._sb3_update import Updater
from ._spaces import Array
from ._spec import config_with


#: What collecting a rollout changes beside the environments, the last observations and the buffer.
COUNTERS = (
    "num_timesteps",
    "_total_timesteps",
    "_num_timesteps_at_start",
    "_episode_num",
    "start_time",
    "ep_info_buffer",
    "ep_success_buffer",
    "_logger",
)


@dataclass
class Row:
    """A statistic or a parameter of both updates."""

    #: Its name: a statistic's tag, or a parameter's name here.
    name: str
    #: Their number; of a tensor the one where the two differ most.
    theirs: float
    #: Ours.
    ours: float
    #: |theirs − ours|, the largest of a tensor.
    difference: float
    #: The largest difference that passes.
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether it passes. Two NaNs do."""
        return self.difference <= self.tolerance or (np.isnan(self.theirs) and np.isnan(self.ours))


@dataclass
class CrossCheck:
    """The table of a cross-check. ``print`` it, or ask :attr:`ok`."""

    #: What was compared, in a line.
    title: str
    rows: list[Row] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every row passes."""
        return all(row.ok for row in self.rows)

    @property
    def failed(self) -> list[Row]:
        """Rows that do not pass."""
        return [row for row in self.rows if not row.ok]

    def __getitem__(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)

    def __str__(self) -> str:
        width = max((len(row.name) for row in self.rows), default=4)
        lines = [self.title, f"{'':{width}}  {'theirs':>14}  {'ours':>14}  {'difference':>10}  {'tolerance':>10}"]
        for row in self.rows:
            mark = "" if row.ok else "  differs"
            lines.append(
                f"{row.name:{width}}  {row.theirs:14.7g}  {row.ours:14.7g}  {row.difference:10.2e}  {row.tolerance:10.2e}{mark}"
            )
        lines.append(f"{len(self.rows) - len(self.failed)} of {len(self.rows)} rows agree")
        return "\n".join(lines)


def crosscheck(model: Any, *, backend: str = "cpu", rtol: float = 2e-5, verbose: bool = True) -> CrossCheck:
    """Lets ``model`` do one update, repeats it here in the same minibatch order, and compares every statistic and parameter.

    Args:
        model: Stable-Baselines3's ``PPO`` or ``A2C``, or sb3-contrib's ``TRPO``. If its rollout buffer is not full, a rollout is collected first: its
            environments and buffer then have moved on. Weights, optimiser and counters are as before afterwards. Or a dictionary of arrays of any other trainer, see below.
        backend: where our update runs.
        rtol: tolerance, relative to the size of the number; of a parameter, to how far the update moved its tensor.
        verbose: prints the table.

    The tolerance of a statistic is ``rtol · max(1, |theirs|)``. That of a parameter is 1e-6 · max |p|, which is some ten roundings of float32, and 20 · ``rtol``
    times the largest change of its tensor: Adam divides by the size of the gradient, so it carries the rounding of small gradients into steps of
    full length.

    A dictionary describes an update that was recorded elsewhere, of an actor-critic in PyTorch or anything else:

    ==================  ==================================================================================================================
    ``spec``            the networks, as docs/rollout-format.md has them (``obs_dim``, ``policy_hidden``, …, ``head``)
    ``config``          settings to put over ``preset`` (``algorithm`` and ``preset`` are keys, too; ``"ppo"`` and its usual preset by default)
    ``before``          weights before the update, by their names in docs/rollout-format.md
    ``after``           weights after it
    ``batch``           ``obs``, ``actions``, ``logp_old``, ``advantages``, ``returns``, ``values_old``, one row a transition; or
    ``rollout``         the arrays of docs/rollout-format.md, ``[T, N, …]``
    ``order``           the permutation of each epoch, one after the other
    ``moments``         Adam's moments before, ``exp_avg.<name>`` and ``exp_avg_sq.<name>``, with ``optimizer_step``; zeros without
    ``statistics``      any of ``policy_loss``, ``value_loss``, ``entropy``, ``approx_kl``, ``clipfrac`` …: means over minibatches
    ==================  ==================================================================================================================

    Returns:
        The table: ``ok``, ``rows``, ``failed``; ``print`` shows it.
    """
    table = _of_arrays(model, backend, rtol) if isinstance(model, dict) else _of_sb3(model, backend, rtol)
    if verbose:
        print(table)
    return table


def _statistic(name: str, theirs: float, ours: float, rtol: float) -> Row:
    return Row(name, theirs, ours, abs(theirs - ours), rtol * max(1.0, abs(theirs)))


def _tensor(name: str, before: Array, theirs: Array, ours: Array, rtol: float) -> Row:
    theirs, ours = np.asarray(theirs, np.float64).reshape(-1), np.asarray(ours, np.float64).reshape(-1)
    moved = float(np.max(np.abs(theirs - np.asarray(before, np.float64).reshape(-1))))
    apart = np.abs(theirs - ours)
    worst = int(np.argmax(apart))
    tolerance = 1e-6 * float(np.max(np.abs(theirs))) + 20.0 * rtol * moved
    return Row(name, float(theirs[worst]), float(ours[worst]), float(apart[worst]), tolerance)


@contextlib.contextmanager
def _recorded() -> Iterator[list[Array]]:
    """The permutations that NumPy's global generator draws inside; TRPO's conjugate gradients begin at 0 there, not at a small draw."""
    import torch

    drawn: list[Array] = []
    permutation, noise = np.random.permutation, torch.randn_like

    def record(x: Any) -> Array:
        drawn.append(np.asarray(permutation(x)))
        return drawn[-1].copy()

    def silent(*args: Any, **kwargs: Any) -> Any:
        return noise(*args, **kwargs) * 0.0

    np.random.permutation, torch.randn_like = record, silent
    try:
        yield drawn
    finally:
        np.random.permutation, torch.randn_like = permutation, noise


def _collected(model: Any) -> None:
    """Fills the rollout buffer if it is not full."""
    if model.rollout_buffer.full:
        return
    kept = {name: model.__dict__[name] for name in COUNTERS if name in model.__dict__}
    # Episodes are added to these in place.
    kept |= {name: copy.copy(value) for name, value in kept.items() if name.endswith("_buffer")}
    try:
        _, callback = model._setup_learn(model.n_steps * model.n_envs, None, False, "crosscheck", False)
        model.collect_rollouts(model.env, callback, model.rollout_buffer, n_rollout_steps=model.n_steps)
    finally:
        # A model that had no logger yet keeps the new one, so that its ``train`` can be called.
        model.__dict__.update(kept)


def _of_sb3(model: Any, backend: str, rtol: float) -> CrossCheck:
    from stable_baselines3.common.logger import Logger

    from .sb3 import kl_scale

    step_size = float(model.lr_schedule(model._current_progress_remaining))
    if step_size < 0.0:
        raise UnsupportedModel(
            f"the learning rate is {step_size:g}: the run is past the end of its schedule, and an update would climb its loss"
        )
    updater = Updater(model, backend)
    _collected(model)
    mapping, kind = updater.mapping, updater.kind
    batch = updater.batch()
    before = (mapping.get(), *get_moments(mapping, updater.optimizer))
    buffer = model.rollout_buffer
    kept = {name: value for name, value in buffer.__dict__.items() if isinstance(value, (np.ndarray, bool, dict))}
    logger, updates, state = getattr(model, "_logger", None), model._n_updates, _copied(model.policy.optimizer)
    model._logger = Logger(folder=None, output_formats=[])
    try:
        with _recorded() as drawn:
            type(model).train(model)
        logged = {tag: float(value) for tag, value in model.logger.name_to_value.items()}
        after = mapping.get()
        moments, steps = get_moments(mapping, updater.optimizer)
    finally:
        model._logger, model._n_updates = logger, updates
        if logger is None:
            del model._logger
        mapping.set(before[0])
        model.policy.optimizer.load_state_dict(state)
        buffer.__dict__.update(kept)
    config = updater.config
    rows = len(batch["logp_old"])
    subsample = int(config["trust_region"]["subsample"]) if kind == "trpo" else 1
    order = orders_of(drawn, kind, int(config.get("update_epochs", 1)), rows, subsample)
    updated = updater.update(batch, order, before)
    ours = train_tags(kind, updated.stats)
    if kind == "trpo":
        ours["train/kl_divergence_loss"] /= kl_scale(model)
    table = CrossCheck(
        f"one update of {type(model).__name__}, {rows} rows, {updated.optimizer_steps - before[2]} optimiser steps"
    )
    table.rows.append(_statistic("optimizer_steps", steps - before[2], updated.optimizer_steps - before[2], 0.0))
    table.rows += [
        _statistic(tag, logged[tag], ours[tag], rtol) for tag in logged if tag in ours and tag != "train/learning_rate"
    ]
    table.rows += [_tensor(name, before[0][name], after[name], updated.parameters[name], rtol) for name in after]
    for name, value in moments.items():
        if not (kind == "trpo" and name.split(".", 2)[2].startswith(("policy.", "log_std"))):
            table.rows.append(_tensor(name, before[1][name], value, updated.moments[name], rtol))
    return table


def _copied(optimizer: Any) -> Any:
    return copy.deepcopy(optimizer.state_dict())


def _of_arrays(given: dict[str, Any], backend: str, rtol: float) -> CrossCheck:
    missing = [key for key in ("spec", "before", "after") if key not in given]
    if missing or ("batch" in given) == ("rollout" in given):
        raise ValueError(
            f"the dictionary lacks {', '.join(missing) or 'one of batch and rollout'}: see the doc of wgpo.crosscheck"
        )
    spec, before, after = given["spec"], given["before"], given["after"]
    algorithm = str(given.get("algorithm", "ppo"))
    discrete = spec["head"]["kind"] not in ("gaussian", "tanh_gaussian", "beta")
    base = _native.default_config(algorithm, given.get("preset"), discrete)
    config = json.dumps(config_with(algorithm, base, {"anneal_lr": False, **given.get("config", {})}))
    learner = _native.Learner(json.dumps(spec), config, backend=backend, seed=0)
    tensors, found = read_bytes(learner.state())
    values = {**before, **{f"optimizer.{name}": value for name, value in given.get("moments", {}).items()}}
    for name, value in values.items():
        if name not in tensors:
            raise ValueError(f"{name}: the policy has no such tensor; it has {', '.join(sorted(tensors))}")
        tensors[name] = np.asarray(value, np.float32).reshape(tensors[name].shape)
    learner.load_state(
        write_bytes(tensors, {**found.table, "optimizer_step": str(int(given.get("optimizer_step", 0)))})
    )
    order = None if given.get("order") is None else np.ascontiguousarray(given["order"], np.uint32).reshape(-1)
    stats = learner.update_batch(given["batch"], order) if "batch" in given else learner.update(given["rollout"], order)
    ours = learner.named_parameters()
    means = {name: float(np.mean(value)) for name, value in minibatches(stats).items() if value.size}
    means["explained_variance"] = float(stats["explained_variance"])
    table = CrossCheck(f"one update by {algorithm}, {stats['optimizer_steps']} optimiser steps")
    for name, value in given.get("statistics", {}).items():
        if name not in means:
            raise ValueError(f"{name}: there is no such statistic; there are {', '.join(sorted(means))}")
        table.rows.append(_statistic(name, float(value), means[name], rtol))
    table.rows += [_tensor(name, before[name], value, ours[name], rtol) for name, value in after.items()]
    return table
