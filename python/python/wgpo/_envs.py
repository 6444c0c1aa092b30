"""One way to step every kind of Gymnasium environment, whatever its reset mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from ._spaces import ActionCodec, Array, Floats, ObsCodec

Flags = npt.NDArray[np.bool_]


@dataclass
class Step:
    """What one step of all environments did; N of them."""

    #: ``[N]``; 0 in rows that only reset.
    rewards: Floats
    #: ``[N]``.
    terminated: Flags
    #: ``[N]``; ``terminated`` wins where both are set.
    truncated: Flags
    #: Environments whose row was a reset and no transition, ``[N]``.
    filler: Flags
    #: The real observations after the step and before any reset, ``[N, obs_dim]``; ``None`` where no episode ended, and in NEXT_STEP mode, where
    #: the next observations are these.
    last_obs: Floats | None


def autoreset_mode(envs: VectorEnv[Any, Any, Any]) -> AutoresetMode:
    """The reset mode that ``envs.metadata["autoreset_mode"]`` says. It is never guessed: an environment that does not say it is an error."""
    mode = envs.metadata.get("autoreset_mode")
    if isinstance(mode, AutoresetMode):
        return mode
    try:
        return AutoresetMode(mode)
    except ValueError:
        known = ", ".join(mode.name for mode in AutoresetMode)
        raise ValueError(
            f'the vector environment\'s metadata["autoreset_mode"] is {mode!r}, expected one of {known}: without it nobody knows which '
            "rows are resets and where the last observations are"
        ) from None


def as_vector(envs: Any, num_envs: int = 1) -> VectorEnv[Any, Any, Any]:
    """``envs`` as a vector environment: an id is made, a single environment is wrapped (same-step resets)."""
    if isinstance(envs, VectorEnv):
        return envs
    if isinstance(envs, str):
        return gym.make_vec(
            envs,
            num_envs=num_envs,
            vectorization_mode="sync",
            vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
        )
    if isinstance(envs, gym.Env):
        return SyncVectorEnv([lambda: envs], autoreset_mode=AutoresetMode.SAME_STEP)
    raise TypeError(
        f"envs is a {type(envs).__name__}, expected a Gymnasium environment, a vector environment, or an id such as 'CartPole-v1'"
    )


class Envs:
    """N environments, stepped by flat observations and a head's actions.

    The three reset modes look alike from here but for :attr:`mode`, ``"same_step"`` or ``"next_step"``, which a rollout records: with DISABLED
    the environments that ended are reset here, right after their step.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
        self.envs = envs
        self.num_envs = int(envs.num_envs)
        self.reset_mode = autoreset_mode(envs)
        self.mode = "next_step" if self.reset_mode is AutoresetMode.NEXT_STEP else "same_step"
        self.obs_codec = ObsCodec(envs.single_observation_space)
        self.action_codec = ActionCodec(envs.single_action_space, self.obs_codec.masked)
        if self.obs_codec.masked:
            self._check_mask()
        #: What is acted on next, ``[N, obs_dim]``.
        self.obs: Floats = np.zeros((0, 0), np.float32)
        #: The choices allowed there, ``[N, choices]``.
        self.allowed: Flags | None = None
        #: NEXT_STEP: environments whose next row only resets.
        self.ended: Flags = np.zeros(self.num_envs, np.bool_)
        #: Returns and lengths of the episodes so far.
        self._returns = np.zeros(self.num_envs)
        self._lengths = np.zeros(self.num_envs, np.int64)
        #: Return and length of each episode that ended since the list was last emptied.
        self.episodes: list[tuple[float, int]] = []
        self.started = False

    def _check_mask(self) -> None:
        shape = getattr(self.obs_codec.mask_space, "shape", None)
        width, choices = int(np.prod(shape, dtype=np.int64)) if shape is not None else None, self.action_codec.choices
        if width is not None and width != choices:
            raise ValueError(f"action_mask holds {width} flags, the action space has {choices} choices")

    def _see(self, batch: Any) -> None:
        self.obs = self.obs_codec.obs(batch, self.num_envs)
        self.allowed = self.obs_codec.allowed(batch, self.num_envs)

    def reset(self, seed: int | None = None) -> None:
        """New episodes in all environments."""
        batch, _ = self.envs.reset(seed=seed)
        self._see(batch)
        self.ended = np.zeros(self.num_envs, np.bool_)
        self._returns[:], self._lengths[:] = 0.0, 0
        self.started = True

    def step(self, actions: Array) -> Step:
        """One step with a head's ``env_actions`` ``[N, dims]``."""
        filler = self.ended
        batch, rewards, terminated, truncated, info = self.envs.step(self.action_codec.env_actions(actions))
        rewards = np.array(rewards, np.float32)
        terminated, truncated = np.array(terminated, np.bool_), np.array(truncated, np.bool_)
        done = terminated | truncated
        last_obs: Floats | None = None
        if self.mode == "next_step":
            rewards = np.where(filler, np.float32(0.0), rewards)
            done = done & ~filler
            terminated, truncated = terminated & ~filler, truncated & ~filler
            self._see(batch)
            self.ended = done
        elif not done.any():
            self._see(batch)
        elif self.reset_mode is AutoresetMode.SAME_STEP:
            self._see(batch)
            last_obs = self._final_obs(info, done)
        else:
            last_obs = self.obs_codec.obs(batch, self.num_envs).copy()
            batch, _ = self.envs.reset(options={"reset_mask": done})
            self._see(batch)
        self._count(rewards, done, filler)
        return Step(rewards, terminated, truncated, filler, last_obs)

    def _final_obs(self, info: dict[str, Any], done: Flags) -> Floats:
        """Real last observations where episodes ended, the present ones elsewhere."""
        final = info.get("final_obs")
        if final is None:
            raise ValueError(
                f'environment {int(np.flatnonzero(done)[0])} ended with resets in the same step, but info has no "final_obs": the value of the real last '
                "observation is unknown"
            )
        last = self.obs.copy()
        for n in np.flatnonzero(done):
            one = (
                final[n]
                if not isinstance(final, dict)
                else {key: value[n] for key, value in final.items() if not key.startswith("_")}
            )
            if one is None:
                raise ValueError(f'environment {int(n)} ended, but its info["final_obs"] is None')
            single = (
                {key: np.asarray(value)[None] for key, value in one.items()}
                if isinstance(one, dict)
                else np.asarray(one)[None]
            )
            last[n] = self.obs_codec.obs(single, 1)[0]
        return last

    def _count(self, rewards: Floats, done: Flags, filler: Flags) -> None:
        self._returns += rewards
        self._lengths += ~filler
        for n in np.flatnonzero(done):
            self.episodes.append((float(self._returns[n]), int(self._lengths[n])))
            self._returns[n], self._lengths[n] = 0.0, 0
