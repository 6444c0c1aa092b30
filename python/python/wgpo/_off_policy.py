"""DQN, DDPG, TD3 and SAC, trained in Gymnasium's environments."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from . import _native
from ._base import Algorithm
from ._device import OnDevice
from ._envs import Envs, Step
from ._files import Metadata, ended
from ._spaces import Array, SpaceError


class _Transitions:
    """Steps on their way into the memory, which takes one of every environment at a time.

    In NEXT_STEP mode a row that only resets is no transition. Those of the other environments wait here until each environment has one, so each is
    stored once, in its order. No environment has more than ``limit`` waiting: what is newer is left out, and the last before it is truncated.
    """

    def __init__(self, envs: int, limit: int = 1000) -> None:
        self._waiting: list[deque[dict[str, Any]]] = [deque() for _ in range(envs)]
        self._limit = limit

    def add(self, step: dict[str, Array], filler: Array) -> list[dict[str, Array]]:
        """Takes a step in, and returns the steps that can be stored now."""
        if not filler.any() and not any(self._waiting):
            return [step]
        for n, waiting in enumerate(self._waiting):
            if filler[n]:
                continue
            if len(waiting) < self._limit:
                waiting.append({name: values[n] for name, values in step.items()})
            else:
                waiting[-1]["truncated"] = ~waiting[-1]["terminated"]
        ready = min(len(waiting) for waiting in self._waiting)
        return [self._row() for _ in range(ready)]

    def _row(self) -> dict[str, Array]:
        rows = [waiting.popleft() for waiting in self._waiting]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


class OffPolicyAlgorithm(OnDevice, Algorithm):
    """An algorithm that learns from a replay memory."""

    _transitions: _Transitions | None = None
    #: The newest step, which waits for the next one: if the environments are reset before, it ends its episodes.
    _held: dict[str, Array] | None = None

    def _act(self, obs: Array, allowed: Array | None, mode: str) -> dict[str, Any]:
        return dict(self._actor.act(obs, mode))

    def _make_learner(self, config: dict[str, Any], seed: int | None = None) -> Any:
        return _native.OffPolicyLearner(
            json.dumps(self.spec),
            json.dumps(config),
            backend=self.backend,
            seed=self.seed if seed is None else seed,
        )

    def _check_spaces(self, envs: Envs) -> None:
        space = envs.envs.single_action_space
        if envs.obs_codec.masked:
            raise SpaceError(f"{self.algorithm} has no masks: leave action_mask out of the observations, or take PPO")
        if self.algorithm == "sac" and isinstance(space, gym.spaces.Discrete):
            return
        if self.algorithm == "dqn":
            if not isinstance(space, gym.spaces.Discrete):
                raise SpaceError(f"dqn takes Discrete actions, the environment has a {type(space).__name__}")
        elif not envs.action_codec.bounded:
            raise SpaceError(
                f"{self.algorithm} takes a Box of floats with bounds on every dimension, the environment has {space}"
            )

    def save(self, path: str | Path, replay: bool = True) -> None:
        """Writes weights, optimisers, settings, counters and, with ``replay``, the memory of transitions: 4 · (2 · obs_dim + action numbers + 3) bytes each.

        The newest step of each environment waits for the one after it, and is not in the file.
        """
        if self._trainer is not None:
            self._trainer.save(str(path))
        else:
            self.learner.save(str(path), replay)

    def _before_learning(self, total_timesteps: int) -> None:
        if self.dtype != "f32":
            raise _native.ConfigError(f"dtype: is {self.dtype!r}, {self.algorithm} computes in f32")
        if self._trainer is not None:
            self._trainer_until(total_timesteps)
            return
        total = self._learner_steps() + total_timesteps
        if self.config["total_timesteps"] != total and self.learner.stored == 0:
            # Exploration of DQN falls on a share of it. A learner with a memory keeps the setting that it began with.
            config = {**self.config, "total_timesteps": total}
            learner = self._make_learner(config)
            learner.load_state(self.learner.state())
            self.config, self.learner = config, learner

    def _iterate(self) -> tuple[dict[str, Any], list[tuple[float, int]]]:
        if self._trainer is not None:
            return self._iterate_on_device()
        envs = self.envs
        if envs is None:
            raise ValueError("there is no environment to train in: give envs, or call set_envs")
        if not envs.started:
            self._end_held()
            envs.reset(seed=self.seed + self.updates * envs.num_envs)
            self._transitions = _Transitions(envs.num_envs)
        assert self._transitions is not None
        stats: dict[str, Any] | None = None
        # An interrupt leaves what is stored; the next step begins new episodes.
        envs.started = False
        for _ in range(int(self.config["num_steps"])):
            obs = envs.obs
            acted = self.learner.act(obs, "sample")
            step = envs.step(acted["env_actions"])
            for one in self._transitions.add(self._step(obs, acted["actions"], step, envs), step.filler):
                if self._held is not None:
                    self.learner.store(self._held)
                self._held = one
            before, self.num_timesteps = self._learner_steps(), self.num_timesteps + envs.num_envs
            due = self.learner.due(before, self._learner_steps())
            if due and self.learner.stored:
                stats = self.learner.learn(due)
        envs.started = True
        episodes, envs.episodes = envs.episodes, []
        return stats or {
            "minibatches": {},
            "learning_rate": float(self.config["learning_rate"]),
            "off_policy": None,
        }, episodes

    def _end_held(self) -> None:
        """Stores the newest step as one that ends its episodes: its environments begin others."""
        held, self._held = self._held, None
        if held is not None:
            self.learner.store({**held, "truncated": ~held["terminated"]})

    def _restore(self, path: Path, found: Metadata) -> None:
        self.learner.load_state(ended(path.read_bytes()))
        self.num_timesteps, self.updates = found.env_steps, found.updates

    def _recount(self) -> None:
        if self._trainer is not None:
            super()._recount()

    @staticmethod
    def _step(obs: Array, actions: Array, step: Step, envs: Envs) -> dict[str, Array]:
        return {
            "obs": obs,
            "actions": actions,
            "rewards": step.rewards,
            "next_obs": step.last_obs if step.last_obs is not None else envs.obs,
            "terminated": step.terminated,
            "truncated": step.truncated,
        }


class DQN(OffPolicyAlgorithm):
    """Q-learning with a network (Mnih et al. 2015), for ``Discrete`` actions."""

    algorithm: ClassVar[str] = "dqn"


class DDPG(OffPolicyAlgorithm):
    """The deterministic policy gradient (Lillicrap et al. 2016), for a ``Box`` with bounds."""

    algorithm: ClassVar[str] = "ddpg"


class TD3(OffPolicyAlgorithm):
    """DDPG with two critics, delays and noise on the target (Fujimoto et al. 2018)."""

    algorithm: ClassVar[str] = "td3"


class SAC(OffPolicyAlgorithm):
    """The soft actor-critic (Haarnoja et al. 2018), for a ``Box`` with bounds, or ``Discrete`` actions."""

    algorithm: ClassVar[str] = "sac"
