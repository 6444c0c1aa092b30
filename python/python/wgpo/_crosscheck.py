"""Whether another trainer's update is ours: ``wgpo.crosscheck(model)``."""

from __future__ import annotations

import contextlib
import copy
import difflib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _native
from ._files import read_bytes, write_bytes
from ._foreign import array
from ._generators import as_they_were
from ._log import minibatches, train_tags
from ._sb3_model import OFF_POLICY, ON_POLICY, UnsupportedModel, get_moments, kind_of, orders_of
from ._sb3_off_policy import Numbers, OffPolicyMap, recorded, repeated
from ._sb3_update import Updater
from ._spaces import Array
from ._spec import config_with


#: What collecting steps changes beside the environments, the last observations and the buffer.
COUNTERS = (
    "num_timesteps",
    "_total_timesteps",
    "_num_timesteps_at_start",
    "_episode_num",
    "start_time",
    "ep_info_buffer",
    "ep_success_buffer",
    "_current_progress_remaining",
    "_n_calls",
    "exploration_rate",
    "_logger",
)


#: Nats of rounding in SAC's log-probabilities, as a mean over a batch, up to which a comparison says something: tolerances grow with them, and
#: with these they are some hundredths of what an update moves.
MOST_LOST = 1e-3

#: What a dictionary may have.
KEYS = (
    "spec",
    "config",
    "algorithm",
    "preset",
    "before",
    "after",
    "batch",
    "rollout",
    "order",
    "moments",
    "optimizer_step",
    "statistics",
)


@dataclass
class Row:
    """A statistic or a parameter of both updates."""

    #: Its name: a statistic's tag, or a parameter's name here.
    name: str
    #: Their number; of a tensor the one where the two differ most, beside what passes.
    theirs: float
    #: Ours.
    ours: float
    #: |theirs − ours|.
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
    #: Why tolerances that the rounding would need were not given: the comparison then decides nothing.
    doubts: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every row passes, and nothing is in doubt."""
        return not self.doubts and all(row.ok for row in self.rows)

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
        lines += [f"not decided: {doubt}" for doubt in self.doubts]
        return "\n".join(lines)


def crosscheck(
    model: Any,
    *,
    backend: str = "cpu",
    rtol: float = 2e-5,
    verbose: bool = True,
    gradient_steps: int | None = None,
    batch_size: int | None = None,
) -> CrossCheck:
    """Lets ``model`` do one update, repeats it here on the same rows with the same draws, and compares every statistic and parameter.

    Args:
        model: Stable-Baselines3's ``PPO`` or ``A2C``, or sb3-contrib's ``TRPO``; its ``DQN``, ``DDPG``, ``TD3`` or ``SAC``; or a dictionary of arrays of any
            other trainer, see below.
        backend: where our update runs.
        rtol: tolerance, relative to the size of the number; of a parameter, to how far the update moved its tensor.
        verbose: prints the table.
        gradient_steps: of a model with a replay memory: how many; by default one, and of DDPG and TD3 as many as move the actor once.
        batch_size: of a model with a replay memory: transitions of a gradient step; by default the model's.

    Of PPO, A2C and TRPO the update is one ``train()`` on the rollout buffer, in the same order of minibatches. Of the others it is
    ``train(gradient_steps, batch_size)`` on the replay memory, with the same batches and the same noise; where target networks move between environment steps
    (DQN), they stay.

    Afterwards weights, targets, optimisers and counters of the model are as before, and so are the random generators of Python, NumPy, PyTorch and its spaces: a
    training goes on as if nothing had been. If the rollout buffer is not full, or the replay memory has fewer transitions than a batch, steps are collected
    first. They stay there, and the environments (with a ``VecNormalize``'s statistics and ``action_noise``) have then moved on.

    The tolerance of a statistic is ``rtol · max(1, |theirs|)``. That of a parameter is 1e-6 · max |p|, which is some ten roundings of float32, and 20 · ``rtol``
    times the largest change of its tensor. Adam divides a gradient by its usual size √v, so it carries the rounding of small gradients into steps of full length:
    an element may be off by ``rtol · max √v / (√v + ε)`` of each step besides, and at most by 2 of them. TRPO's step solves one system for all tensors of the actor,
    so the largest change of any of them counts for each. SAC's are wider where actions are near their bounds:
    Stable-Baselines3 takes the logarithm of 1 − a² + 1e-6 in float32, where 1 − a² is off by up to 3e-7. The mean of 3e-7/(1 − a² + 1e-6) over the batch, summed
    over dimensions, is what its log-probabilities may miss; it is added to ``rtol``.

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
    off_policy = {"gradient_steps": gradient_steps, "batch_size": batch_size}
    given = [name for name, value in off_policy.items() if value is not None]
    for name in given:
        if off_policy[name] < 1:  # type: ignore[operator]
            raise ValueError(f"{name} is {off_policy[name]}, must be at least 1")
    kind = "dictionary" if isinstance(model, dict) else kind_of(model, ON_POLICY | OFF_POLICY)
    if given and kind not in OFF_POLICY.values():
        raise ValueError(f"{given[0]} is of models with a replay memory ({', '.join(OFF_POLICY)}), this is a {kind}")
    if isinstance(model, dict):
        table = _of_arrays(model, backend, rtol)
    else:
        with as_they_were(model):
            if kind in OFF_POLICY.values():
                table = _of_sb3_off_policy(model, kind, backend, rtol, gradient_steps, batch_size)
            else:
                table = _of_sb3(model, backend, rtol)
    if verbose:
        print(table)
    return table


def _statistic(name: str, theirs: float, ours: float, rtol: float) -> Row:
    return Row(name, theirs, ours, abs(theirs - ours), rtol * max(1.0, abs(theirs)))


def _tensor(name: str, before: Any, theirs: Any, ours: Any, rtol: float, slack: Any = 0.0) -> Row:
    """``slack``: what each element may differ by besides."""
    theirs, ours = np.asarray(theirs, np.float64).reshape(-1), np.asarray(ours, np.float64).reshape(-1)
    moved = float(np.max(np.abs(theirs - np.asarray(before, np.float64).reshape(-1))))
    apart = np.abs(theirs - ours)
    tolerance = 1e-6 * float(np.max(np.abs(theirs))) + 20.0 * rtol * moved + np.asarray(slack) + np.zeros(len(apart))
    worst = int(np.argmax(np.where(np.isnan(apart), np.inf, apart) / np.maximum(tolerance, 1e-300)))
    return Row(name, float(theirs[worst]), float(ours[worst]), float(apart[worst]), float(tolerance[worst]))


def _adam_slack(config: dict[str, Any], rate: float, squares: Array, steps: int, taken: int, rtol: float) -> Any:
    """What rounding makes of Adam's latest ``taken`` steps, element by element; ``squares`` are its moments after ``steps`` ones."""
    if not str(config.get("optimizer", "adam")).startswith("adam") or taken == 0:
        return 0.0
    size = np.sqrt(np.asarray(squares, np.float64).reshape(-1) / (1.0 - config["adam_beta2"] ** max(steps, 1)))
    # A step is at most about its rate long, so that two of them are at most two apart.
    return taken * rate * np.minimum(2.0, rtol * np.max(size) / (size + config["adam_eps"]))


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


@contextlib.contextmanager
def _uncounted(model: Any) -> Iterator[Any]:
    """A callback to collect steps with, which are not counted."""
    kept = {name: model.__dict__[name] for name in COUNTERS if name in model.__dict__}
    # Episodes are added to these in place.
    kept |= {name: copy.copy(value) for name, value in kept.items() if name.endswith("_buffer")}
    mode = model.policy.training
    try:
        _, callback = model._setup_learn(1, None, False, "crosscheck", False)
        yield callback
    finally:
        # A model that had no logger yet keeps the new one, so that its ``train`` can be called.
        model.__dict__.update(kept)
        model.policy.set_training_mode(mode)


def _collected(model: Any) -> None:
    """Fills the rollout buffer if it is not full."""
    if model.rollout_buffer.full:
        return
    with _uncounted(model) as callback:
        model.collect_rollouts(model.env, callback, model.rollout_buffer, n_rollout_steps=model.n_steps)


def _stored(model: Any, rows: int, tensors: list[Any]) -> None:
    """Collects steps until the replay memory has ``rows`` transitions, or is full; ``tensors`` stay as they are."""
    from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

    buffer = model.replay_buffer
    missing = min(-(-rows // model.n_envs), buffer.buffer_size) - buffer.size()
    if missing <= 0:
        return
    with _kept(tensors), _uncounted(model) as callback:
        model.collect_rollouts(
            model.env,
            callback,
            train_freq=TrainFreq(missing, TrainFrequencyUnit.STEP),
            replay_buffer=buffer,
            action_noise=model.action_noise,
            learning_starts=model.learning_starts,
        )


@contextlib.contextmanager
def _kept(tensors: list[Any]) -> Iterator[None]:
    """Puts the numbers of ``tensors`` back at the end."""
    import torch

    before = [tensor.detach().clone() for tensor in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(tensors, before, strict=True):
                tensor.copy_(value)


@contextlib.contextmanager
def _trained(model: Any, optimizers: list[Any]) -> Iterator[None]:
    """``train`` can be called inside; logger, counters, mode and optimisers are put back at the end."""
    from stable_baselines3.common.logger import Logger

    logger, updates, mode = getattr(model, "_logger", None), model._n_updates, model.policy.training
    states = [copy.deepcopy(optimizer.state_dict()) for optimizer in optimizers]
    model._logger = Logger(folder=None, output_formats=[])
    try:
        yield
    finally:
        model._logger, model._n_updates = logger, updates
        if logger is None:
            del model._logger
        for optimizer, state in zip(optimizers, states, strict=True):
            optimizer.load_state_dict(state)
        model.policy.set_training_mode(mode)


def _check_step_size(model: Any) -> None:
    step_size = float(model.lr_schedule(model._current_progress_remaining))
    if step_size < 0.0:
        raise UnsupportedModel(
            f"the learning rate is {step_size:g}: the run is past the end of its schedule, and an update would climb its loss"
        )


def _of_sb3(model: Any, backend: str, rtol: float) -> CrossCheck:
    from .sb3 import kl_scale

    _check_step_size(model)
    updater = Updater(model, backend)
    _collected(model)
    mapping, kind = updater.mapping, updater.kind
    batch = updater.batch()
    before = (mapping.get(), *get_moments(mapping, updater.optimizer))
    buffer = model.rollout_buffer
    kept = {name: value for name, value in buffer.__dict__.items() if isinstance(value, (np.ndarray, bool, dict))}
    try:
        with _kept(list(mapping.tensors.values())), _trained(model, [model.policy.optimizer]):
            with _recorded() as drawn:
                type(model).train(model)
            logged = {tag: float(value) for tag, value in model.logger.name_to_value.items()}
            after = mapping.get()
            moments, steps = get_moments(mapping, updater.optimizer)
    finally:
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
    rate, taken = float(config["learning_rate"]), steps - before[2]
    farthest = max(float(np.max(np.abs(after[name] - before[0][name]))) for name in after if name.startswith("policy."))
    for name, value in after.items():
        of_adam = kind != "trpo" or not name.startswith(("policy.", "log_std"))
        squares = moments[f"optimizer.exp_avg_sq.{name}"]
        slack = _adam_slack(config, rate, squares, steps, taken, rtol) if of_adam else 20.0 * rtol * farthest
        table.rows.append(_tensor(name, before[0][name], value, updated.parameters[name], rtol, slack))
    for name, value in moments.items():
        if not (kind == "trpo" and name.split(".", 2)[2].startswith(("policy.", "log_std"))):
            table.rows.append(_tensor(name, before[1][name], value, updated.moments[name], rtol))
    return table


def _of_sb3_off_policy(
    model: Any, kind: str, backend: str, rtol: float, gradient_steps: int | None, batch_size: int | None
) -> CrossCheck:
    _check_step_size(model)
    mapping = OffPolicyMap(model, kind)
    rows = int(model.batch_size) if batch_size is None else batch_size
    count = int(getattr(model, "policy_delay", 1)) if gradient_steps is None else gradient_steps
    config = mapping.config(rows)
    _stored(model, rows, mapping.parameters())
    before, taken = Numbers.of_model(mapping), int(model._n_updates)
    with _kept(mapping.parameters()), _trained(model, mapping.optimizers()):
        with recorded(mapping) as drawn:
            type(model).train(model, gradient_steps=count, batch_size=rows)
        logged = {tag: float(value) for tag, value in model.logger.name_to_value.items()}
        theirs = Numbers.of_model(mapping)
    ours, tags = repeated(mapping, before, drawn, taken, config, backend)
    table = CrossCheck(f"{count} gradient steps of {type(model).__name__}, each on {rows} transitions")
    lost = max(drawn.logp_rounding, default=0.0)
    if lost > MOST_LOST:
        table.doubts.append(
            f"actions are so near their bounds that float32 rounds their log-probability by {lost:.1e} nats on average, of which {MOST_LOST:g} is allowed for"
        )
        lost = MOST_LOST
    for name, value in theirs.table.items():
        if name.endswith("step"):
            table.rows.append(_statistic(name, value - before.table[name], ours.table[name] - before.table[name], 0.0))
    for tag, own in tags.items():
        row = _statistic(tag, logged.get(tag, math.nan), own, rtol)
        row.tolerance += _of_logp(tag, row.theirs, logged, before.table) * lost
        table.rows.append(row)
    for name, value in theirs.table.items():
        if not name.endswith("step"):
            table.rows.append(_tensor(name, [before.table[name]], [value], [ours.table[name]], rtol + lost))
    slack: dict[str, Any] = {}
    for name in theirs.parameters:
        key = "policy_optimizer_step" if kind != "dqn" and name.startswith("policy.") else "optimizer_step"
        steps, own = int(theirs.table[key]), int(theirs.table[key] - before.table[key])
        squares = theirs.moments[f"optimizer.exp_avg_sq.{name}"]
        slack[name] = _adam_slack(config, float(config["learning_rate"]), squares, steps, own, rtol + lost)
    tau = float(config.get("tau", 0.0))
    for part, prefix, share in (("parameters", "", 1.0), ("targets", "target.", tau), ("moments", "", 0.0)):
        was, value, own_part = (getattr(one, part) for one in (before, theirs, ours))
        for name in value:
            args = (was[name], value[name], own_part[name], rtol + lost, share * slack.get(name, 0.0))
            table.rows.append(_tensor(prefix + name, *args))
    return table


def _of_logp(tag: str, theirs: float, logged: dict[str, float], table: dict[str, float]) -> float:
    """How far a statistic of SAC moves with log π, to first order."""
    alpha = logged.get("train/ent_coef", 0.0)
    if tag == "train/actor_loss":
        return alpha
    if tag == "train/critic_loss":
        # y moves by α; ½ Σ mean (q − y)² by at most α Σ mean |q − y| ≤ 2 α √loss.
        return 2.0 * alpha * math.sqrt(max(theirs, 0.0))
    return abs(table.get("log_alpha", 0.0)) if tag == "train/ent_coef_loss" else 0.0


def _of_arrays(given: dict[str, Any], backend: str, rtol: float) -> CrossCheck:
    missing = [key for key in ("spec", "before", "after") if key not in given]
    if missing or ("batch" in given) == ("rollout" in given):
        raise ValueError(
            f"the dictionary lacks {', '.join(missing) or 'one of batch and rollout'}: see the doc of wgpo.crosscheck"
        )
    for key in given:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(KEYS)}"
            raise ValueError(f"the dictionary has {key!r}, which is not read; {hint}")
    spec, algorithm = given["spec"], str(given.get("algorithm", "ppo"))
    if algorithm in OFF_POLICY.values():
        raise ValueError(f"algorithm: is {algorithm}; a dictionary is of an actor-critic that learns from rollouts")
    if not isinstance(spec.get("head"), dict):
        raise ValueError("spec lacks head: see docs/rollout-format.md")
    before, after = ({name: array(value) for name, value in given[key].items()} for key in ("before", "after"))
    discrete = spec["head"]["kind"] not in ("gaussian", "tanh_gaussian", "beta")
    base = _native.default_config(algorithm, given.get("preset"), discrete)
    config = json.dumps(config_with(algorithm, base, {"anneal_lr": False, **given.get("config", {})}))
    learner = _native.Learner(json.dumps(spec), config, backend=backend, seed=0)
    tensors, found = read_bytes(learner.state())
    names = list(learner.named_parameters())
    for key, own in (("before", before), ("after", after)):
        for name, value in own.items():
            if name not in names:
                raise ValueError(f"{key}: the policy has no {name!r}; it has {', '.join(names)}")
            if value.size != tensors[name].size:
                raise ValueError(f"{key}: {name} has shape {list(value.shape)}, expected {list(tensors[name].shape)}")
    lacking = [name for name in names if name not in before]
    if lacking:
        raise ValueError(f"before lacks {', '.join(lacking)}")
    values = {**before, **{f"optimizer.{name}": array(value) for name, value in given.get("moments", {}).items()}}
    for name, value in values.items():
        if name not in tensors:
            raise ValueError(f"{name}: the policy has no such tensor; it has {', '.join(sorted(tensors))}")
        tensors[name] = value.reshape(tensors[name].shape)
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
    tensors, found = read_bytes(learner.state())
    settings, steps = json.loads(config), int(found.table["optimizer_step"])
    taken, rate = int(stats["optimizer_steps"]), float(max(settings["learning_rate"], stats["learning_rate"]))
    for name, value in after.items():
        squares = tensors[f"optimizer.exp_avg_sq.{name}"]
        slack = _adam_slack(settings, rate, squares, steps, taken, rtol) if np.any(squares) else 0.0
        table.rows.append(_tensor(name, before[name], value, ours[name], rtol, slack))
    return table
