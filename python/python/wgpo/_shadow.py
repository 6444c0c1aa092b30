"""Drawing actions with a model's weights and leaving the model as it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ._spaces import Array
from ._spec import config_with

if TYPE_CHECKING:
    from ._base import Algorithm


class Shadow:
    """A learner beside the model's own, with its weights and its own draws.

    A learner that draws also counts draws and lets running statistics take the observations in. That is right while it trains, and wrong in
    ``predict`` and ``evaluate``. So the model's own learner only says here what its networks would see of the observations, which changes nothing,
    and this one, which has no statistics, draws.
    """

    def __init__(self, model: Algorithm) -> None:
        self._model = model
        self._learner: Any = None
        self._made_for = ""
        self._made = 0

    def refresh(self) -> None:
        """Takes the model's present weights and exploration."""
        model = self._model
        config = shadow_config(model)
        made_for = json.dumps([model.spec, config])
        if made_for != self._made_for:
            self._made += 1
            # Each has draws of its own, which no training has.
            seed = (model.seed + 0x9E3779B97F4A7C15 * self._made) % 2**63
            self._learner, self._made_for = model._make_learner(config, seed), made_for
        self._learner.set_parameters(model._actor.parameters())

    def act(self, obs: Array, allowed: Array | None) -> dict[str, Any]:
        """Drawn actions for rows of observations, with the weights of the last :meth:`refresh`."""
        seen = self._model._act(obs, allowed, "greedy")["obs"]
        mask = {} if allowed is None else {"mask": allowed}
        return dict(self._learner.act(seen, mode="sample", **mask))


def shadow_config(model: Algorithm) -> dict[str, Any]:
    """The model's settings without statistics; off policy with the present exploration and next to no memory."""
    config: dict[str, Any] = model.config
    changed: dict[str, Any] = {}
    for key in ("norm_obs", "norm_reward"):
        if config.get(key) is not None:
            changed[key] = "off"
    if "buffer_size" in config:
        size = max(int(config["batch_size"]), int(config["num_envs"])) * int(config["n_steps"])
        changed |= {"learning_starts": 0, "exploration_hold": 1, "buffer_size": min(size, int(config["buffer_size"]))}
    if "start_e" in config:
        until = float(config["exploration_fraction"]) * float(config["total_timesteps"])
        part = min(1.0, model._learner_steps() / until) if until > 0.0 else 1.0
        changed["start_e"] = changed["end_e"] = config["start_e"] + part * (config["end_e"] - config["start_e"])
    return config_with(model.algorithm, config, changed)
