"""One update of a Stable-Baselines3 model, done by wgpo."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from . import _native
from ._files import read_bytes, write_bytes
from ._sb3_model import PolicyMap, batch_of, config_of, get_moments, kind_of, optimizer_of, set_moments
from ._spaces import Array
from ._spec import config_with


@dataclass
class Updated:
    """What an update left."""

    #: Weights.
    parameters: dict[str, Array]
    #: The optimiser's moments, ``optimizer.exp_avg.<name>`` and so on.
    moments: dict[str, Array]
    #: Steps that the optimiser has taken since its start.
    optimizer_steps: int
    #: What ``Learner.update_batch`` returned.
    stats: dict[str, Any]


class Updater:
    """A learner with the networks and settings of ``model``; each update begins with the model's present weights, moments and schedules."""

    def __init__(self, model: Any, backend: str = "auto", dtype: Literal["f32", "f64"] = "f32") -> None:
        self.model, self.backend, self.dtype = model, backend, dtype
        self.kind = kind_of(model)
        self.mapping = PolicyMap(model.policy)
        self.optimizer, _ = optimizer_of(model.policy)
        preset = "sb3-contrib" if self.kind == "trpo" else "sb3"
        discrete = self.mapping.spec["head"]["kind"] != "gaussian"
        self._base = _native.default_config(self.kind, preset, discrete)
        self._config = ""
        self.learner: Any = None
        self._prepare()

    def _prepare(self) -> None:
        """A learner with the present settings; told the new ones where they have changed."""
        overrides = config_of(self.model, self.kind)
        rows = overrides["num_envs"] * overrides["num_steps"]
        overrides["total_timesteps"] = rows
        config = json.dumps(config_with(self.kind, self._base, overrides))
        if self.learner is None:
            self.learner = _native.Learner(
                json.dumps(self.mapping.spec), config, backend=self.backend, seed=0, dtype=self.dtype
            )
        elif config != self._config:
            self.learner.set_config(config)
        self._config = config

    @property
    def config(self) -> dict[str, Any]:
        """The settings of the last update."""
        found: dict[str, Any] = json.loads(self._config)
        return found

    def update(
        self,
        batch: dict[str, Array],
        order: Array | None,
        before: tuple[dict[str, Array], dict[str, Array], int] | None = None,
    ) -> Updated:
        """One update on ``batch``, whose minibatches are cut from ``order``. The model is left as it is."""
        self._prepare()
        parameters, moments, steps = (
            before if before is not None else (self.mapping.get(), *get_moments(self.mapping, self.optimizer))
        )
        tensors, found = read_bytes(self.learner.state())
        for name, value in {**parameters, **moments}.items():
            tensors[name] = np.asarray(value, np.float32).reshape(tensors[name].shape)
        table = {**found.table, "optimizer_step": str(steps), "update": "0", "env_steps": "0"}
        self.learner.load_state(write_bytes(tensors, table))
        stats = self.learner.update_batch(batch, order)
        tensors, found = read_bytes(self.learner.state())
        return Updated(
            parameters={name: tensors[name] for name in parameters},
            moments={name: tensors[name] for name in moments},
            optimizer_steps=int(found.table["optimizer_step"]),
            stats=stats,
        )

    def write(self, updated: Updated) -> None:
        """Puts weights and moments of ``updated`` into the model."""
        self.mapping.set(updated.parameters)
        skip = ("policy.", "log_std") if self.kind == "trpo" else ()
        set_moments(self.mapping, self.optimizer, updated.moments, updated.optimizer_steps, skip)

    def batch(self) -> dict[str, Array]:
        """The model's rollout, see :func:`wgpo._sb3_model.batch_of`."""
        return batch_of(self.model, self.mapping)
