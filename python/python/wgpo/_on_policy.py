"""PPO, PPO with a KL penalty, TRPO, the natural gradient and A2C, trained in Gymnasium's environments."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import numpy as np

from . import _native
from ._base import Algorithm
from ._device import OnDevice


class OnPolicyAlgorithm(OnDevice, Algorithm):
    """An algorithm that learns from rollouts of its own policy."""

    def _make_learner(self, config: dict[str, Any], seed: int | None = None) -> Any:
        return _native.Learner(
            json.dumps(self.spec),
            json.dumps(config),
            backend=self.backend,
            seed=self.seed if seed is None else seed,
            dtype=self.dtype,
        )

    def _before_learning(self, total_timesteps: int) -> None:
        if self._trainer is not None:
            self._trainer_until(total_timesteps)
            return
        total = self._learner_steps() + total_timesteps
        if self.config["total_timesteps"] != total:
            # Schedules end where the training does.
            self.config = {**self.config, "total_timesteps": total}
            self.learner.set_config(json.dumps(self.config))

    def _iterate(self) -> tuple[dict[str, Any], list[tuple[float, int]]]:
        if self._trainer is not None:
            return self._iterate_on_device()
        rollout = self.collect()
        assert self.envs is not None
        stats = self.learner.update(rollout)
        self.num_timesteps += self.envs.num_envs * int(self.config["num_steps"])
        episodes, self.envs.episodes = self.envs.episodes, []
        return stats, episodes

    def collect(self) -> dict[str, Any]:
        """A window of ``num_steps`` steps of all environments, with the names of docs/rollout-format.md: what ``Learner.update`` takes.

        Episodes that have not ended go on in the next window. In NEXT_STEP mode the rows that only reset are in it, and ``autoreset`` says so: an
        update masks them.
        """
        envs, learner, steps = self.envs, self.learner, int(self.config["num_steps"])
        if envs is None:
            raise ValueError("there is no environment to train in: give envs, or call set_envs")
        if not envs.started:
            envs.reset(seed=self.seed + self.updates * envs.num_envs)
        count = envs.num_envs
        ended_before = envs.ended.copy()
        # An interrupt in the middle leaves no half window: the next one begins new episodes.
        envs.started = False
        parts: dict[str, list[Any]] = {
            name: [] for name in ("obs", "actions", "logp", "values", "rewards", "terminated", "truncated", "allowed")
        }
        final_values = np.zeros((steps, count), np.float32)
        for t in range(steps):
            acted = learner.act(envs.obs, envs.allowed, "sample")
            if envs.allowed is not None:
                parts["allowed"].append(envs.allowed)
            for name in ("obs", "actions", "logp", "values"):
                parts[name].append(acted[name])
            step = envs.step(acted["env_actions"])
            cut = step.truncated & ~step.terminated
            if step.last_obs is not None and cut.any():
                final_values[t, cut] = learner.values(step.last_obs[cut])
            parts["rewards"].append(step.rewards)
            parts["terminated"].append(step.terminated)
            parts["truncated"].append(step.truncated)
        parts["values"].append(learner.values(envs.obs))
        rollout: dict[str, Any] = {name: np.stack(values) for name, values in parts.items() if values}
        rollout.update(final_values=final_values, autoreset=envs.mode, ended_before=ended_before)
        envs.started = True
        return rollout


class PPO(OnPolicyAlgorithm):
    """Proximal policy optimisation with a clipped surrogate (Schulman et al. 2017)."""

    algorithm: ClassVar[str] = "ppo"


class PPOPenalty(OnPolicyAlgorithm):
    """Proximal policy optimisation with an adaptive KL penalty in place of the clip (the same paper, section 4)."""

    algorithm: ClassVar[str] = "ppo-penalty"


class TRPO(OnPolicyAlgorithm):
    """Trust region policy optimisation (Schulman et al. 2015): a natural gradient, then a line search."""

    algorithm: ClassVar[str] = "trpo"


class NPG(OnPolicyAlgorithm):
    """The natural policy gradient (Kakade 2001) with TRPO's step length and no line search."""

    algorithm: ClassVar[str] = "npg"


class A2C(OnPolicyAlgorithm):
    """The advantage actor-critic (Mnih et al. 2016): one pass, no ratio."""

    algorithm: ClassVar[str] = "a2c"
