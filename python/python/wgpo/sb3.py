"""wgpo's update inside Stable-Baselines3: ``wgpo.sb3.accelerate(model)``."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from ._log import train_tags
from ._sb3_model import orders_of
from ._sb3_update import Updater
from ._spaces import Array

Model = TypeVar("Model")

__all__ = ["accelerate", "restore"]


def accelerate(model: Model, backend: str = "auto") -> Model:
    """Puts wgpo's update in place of ``model.train``; returns ``model``.

    Everything else is as it was: environments, callbacks, schedules, logger and its tags, ``save``, ``load``. Weights and the optimiser's moments are in the
    model after each update. Minibatches are those that Stable-Baselines3 would have drawn, from the same generator.

    In one case it differs on purpose. A schedule that is not held at its end, such as ``lambda left: 3e-4 * left``, gives a step size below 0 in the last
    update of a run whose length is no multiple of a rollout. Stable-Baselines3 then climbs the loss; here that step size is 0.

    Args:
        model: Stable-Baselines3's ``PPO`` or ``A2C``, or sb3-contrib's ``TRPO``, with an ``MlpPolicy``.
        backend: ``"auto"``, ``"cpu"``, ``"gpu"``, or a part of an adapter's name.

    Raises:
        UnsupportedModel: a policy, distribution or optimiser that wgpo has no equal for; the model is then as it was.
    """
    one: Any = model
    restore(one)
    updater = Updater(one, backend)

    def train() -> None:
        _train(one, updater)

    one._wgpo_updater = updater
    one.train = train
    # What a model saves is its dictionary: these two belong to this process.
    if "_excluded_save_params" not in one.__dict__:
        excluded = type(one)._excluded_save_params
        one._excluded_save_params = lambda: [*excluded(one), "train", "_wgpo_updater", "_excluded_save_params"]
    return model


def restore(model: Model) -> Model:
    """Takes wgpo's update out again; returns ``model``."""
    for name in ("train", "_wgpo_updater", "_excluded_save_params"):
        model.__dict__.pop(name, None)
    return model


def _permutations(updater: Updater, rows: int) -> list[Array]:
    """What ``RolloutBuffer.get`` would have drawn, from NumPy's global generator as there."""
    config = updater.config
    epochs = {"a2c": 1, "trpo": 1 + int(config.get("update_epochs", 1))}.get(
        updater.kind, int(config.get("update_epochs", 1))
    )
    return [np.random.permutation(rows) for _ in range(epochs)]


def _skip_noise(updater: Updater) -> None:
    """Draws what sb3-contrib's conjugate gradients begin at (1e-4 · noise; ours begin at 0), so that later draws are the same."""
    import torch

    policy = [tensor for name, tensor in updater.mapping.tensors.items() if name.startswith(("policy.", "log_std"))]
    torch.randn(sum(tensor.numel() for tensor in policy), device=policy[0].device)


def _train(model: Any, updater: Updater) -> None:
    model.policy.set_training_mode(True)
    model._update_learning_rate(model.policy.optimizer)
    updater._prepare()
    batch = updater.batch()
    rows = len(batch["logp_old"])
    config = updater.config
    subsample = int(config.get("trust_region", {}).get("subsample", 1)) if updater.kind == "trpo" else 1
    # Stable-Baselines3 draws when an epoch begins. How many begin is known after the update, so that all are drawn first, and taken back.
    generator = np.random.get_state()
    permutations = _permutations(updater, rows)
    if updater.kind == "ppo":
        np.random.set_state(generator)
    if updater.kind == "trpo":
        _skip_noise(updater)
    order = orders_of(permutations, updater.kind, int(config.get("update_epochs", 1)), rows, subsample)
    updated = updater.update(batch, order)
    updater.write(updated)
    stats = updated.stats
    if updater.kind == "ppo":
        for _ in range(int(stats["epochs"])):
            np.random.permutation(rows)
    model._n_updates += int(stats["epochs"]) if updater.kind == "ppo" else 1
    tags = train_tags(updater.kind, stats)
    for tag in ("train/learning_rate", "train/entropy_loss") if updater.kind == "trpo" else ("train/learning_rate",):
        tags.pop(tag, None)
    if updater.kind == "trpo":
        tags["train/kl_divergence_loss"] /= kl_scale(model)
    for tag, value in tags.items():
        model.logger.record(tag, value)
    if hasattr(model.policy, "log_std"):
        model.logger.record("train/std", model.policy.log_std.detach().exp().mean().item())
    model.logger.record("train/n_updates", model._n_updates, exclude="tensorboard")
    if updater.kind == "ppo":
        progress = model._current_progress_remaining
        model.logger.record("train/clip_range", model.clip_range(progress))
        if model.clip_range_vf is not None:
            model.logger.record("train/clip_range_vf", model.clip_range_vf(progress))


def kl_scale(model: Any) -> int:
    """Dimensions over which sb3-contrib's KL is a mean where ours is a sum."""
    from ._sb3_model import mapping_averages

    return int(np.prod(model.action_space.shape, dtype=np.int64)) if mapping_averages(model.action_space) else 1
