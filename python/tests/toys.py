"""Environments whose every number is known."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv


class Counter(gym.Env[Any, Any]):
    """Observation: (number of the episode, step in it). Episodes last ``length`` steps, and end by truncation if ``cut`` else by termination.

    The reward of a step is 100 · episode + step, so that every transition can be told from every other.
    """

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, length: int, cut: bool = True) -> None:
        self.length, self.cut, self.episode, self.now = length, cut, -1, 0

    def _obs(self) -> Any:
        return np.array([self.episode, self.now], np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.episode, self.now = self.episode + 1, 0
        return self._obs(), {}

    def step(self, action: Any) -> Any:
        self.now += 1
        over = self.now >= self.length
        return self._obs(), float(100 * self.episode + self.now), over and not self.cut, over and self.cut, {}


class Spaces(gym.Env[Any, Any]):
    """Any spaces; draws its observations, rewards 1, ends every tenth step."""

    def __init__(self, observation_space: Any, action_space: Any) -> None:
        self.observation_space, self.action_space, self.now = observation_space, action_space, 0
        self.taken: list[Any] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.now = 0
        if seed is not None:
            self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action), (action, self.action_space)
        self.taken.append(action)
        self.now += 1
        return self.observation_space.sample(), 1.0, False, self.now >= 10, {}


class Masked(gym.Env[Any, Any]):
    """One of ``n`` choices is allowed in each step, and it is rewarded by 1; another is an error."""

    def __init__(self, n: int = 5, always: int = 1) -> None:
        self.n, self.always = n, always
        self.observation_space = gym.spaces.Dict(
            {"observation": gym.spaces.Box(-1, 1, (3,), np.float32), "action_mask": gym.spaces.Box(0, 1, (n,), np.int8)}
        )
        self.action_space = gym.spaces.Discrete(n)
        self.mask = np.zeros(n, np.int8)
        self.now = 0

    def _obs(self) -> Any:
        self.mask = np.zeros(self.n, np.int8)
        self.mask[self.np_random.choice(self.n, self.always, replace=False)] = 1
        return {"observation": self.np_random.uniform(-1, 1, 3).astype(np.float32), "action_mask": self.mask}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.now = 0
        return self._obs(), {}

    def step(self, action: Any) -> Any:
        assert self.mask[action] == 1, (action, self.mask)
        self.now += 1
        return self._obs(), 1.0, self.now >= 7, False, {}


MODES = [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED]


def vector(makers: Any, mode: AutoresetMode = AutoresetMode.SAME_STEP) -> SyncVectorEnv:
    return SyncVectorEnv(makers, autoreset_mode=mode)
