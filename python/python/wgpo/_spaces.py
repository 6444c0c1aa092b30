"""Gymnasium's spaces in wgpo's words: flat observations in float32, masks, and the actions of a head."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from . import _native

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]

#: The key of a ``Dict`` observation that says which choices are allowed.
MASK_KEY = "action_mask"


class SpaceError(_native.ConfigError):
    """A space that wgpo has no policy for; the sentence says why."""


def _width(space: spaces.Space[Any], name: str) -> int:
    """Numbers that an observation of ``space`` becomes."""
    if isinstance(space, spaces.Box):
        if space.dtype == np.uint8 and len(space.shape) > 1:
            raise SpaceError(
                f"{name} is an image {space.shape} (uint8): wgpo's policies are fully connected; flatten and scale it yourself "
                "(gymnasium.wrappers.FlattenObservation), or encode it first"
            )
        return int(np.prod(space.shape, dtype=np.int64))
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return int(np.sum(space.nvec))
    if isinstance(space, spaces.MultiBinary):
        return int(np.prod(space.shape, dtype=np.int64))
    raise SpaceError(
        f"{name} is a {type(space).__name__}: observations may be Box, Discrete, MultiDiscrete, MultiBinary, or a Dict of these"
    )


def _one_hot(values: Array, start: int, count: int) -> Floats:
    found: Floats = np.eye(count, dtype=np.float32)[values.astype(np.int64) - start]
    return found


def _flat(space: spaces.Space[Any], values: Any, rows: int) -> Floats:
    """``values`` ``[rows, …]`` of ``space`` as ``[rows, width]``."""
    array = np.asarray(values)
    if isinstance(space, spaces.Discrete):
        return _one_hot(array.reshape(rows), int(space.start), int(space.n))
    if isinstance(space, spaces.MultiDiscrete):
        array = array.reshape(rows, -1)
        starts, counts = space.start.reshape(-1), space.nvec.reshape(-1)
        parts = [_one_hot(array[:, d], int(starts[d]), int(counts[d])) for d in range(len(counts))]
        return np.concatenate(parts, axis=1)
    # A copy always: environments may write the next observations into the same array.
    return np.array(array.reshape(rows, -1), dtype=np.float32, order="C")


class ObsCodec:
    """From an environment's observations to ``obs`` ``[rows, obs_dim]`` in float32 and, with an ``action_mask``, ``allowed``.

    ``Box`` and ``MultiBinary`` are laid flat, ``Discrete`` and ``MultiDiscrete`` become ones and zeros, and a ``Dict`` is its entries one after
    the other, in the order of the space, without ``action_mask``.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.space = space
        self.mask_space: spaces.Space[Any] | None = None
        self.parts: list[tuple[str, spaces.Space[Any]]] | None = None
        if isinstance(space, spaces.Dict):
            self.mask_space = space.spaces.get(MASK_KEY)
            self.parts = [(key, part) for key, part in space.spaces.items() if key != MASK_KEY]
            if not self.parts:
                raise SpaceError("the observation space has no entry beside action_mask")
            self.obs_dim = sum(_width(part, f'the observation space\'s entry "{key}"') for key, part in self.parts)
        else:
            self.obs_dim = _width(space, "the observation space")
        if self.obs_dim == 0:
            raise SpaceError("the observation space has no numbers at all")

    @property
    def masked(self) -> bool:
        """Whether observations say which choices are allowed."""
        return self.mask_space is not None

    def obs(self, batch: Any, rows: int) -> Floats:
        """``[rows, obs_dim]`` of a batch, as a vector environment gives it."""
        if self.parts is None:
            return _flat(self.space, batch, rows)
        parts = [_flat(part, batch[key], rows) for key, part in self.parts]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def allowed(self, batch: Any, rows: int) -> npt.NDArray[np.bool_] | None:
        """``[rows, choices]`` of a batch, or ``None`` if the space has no ``action_mask``."""
        if self.mask_space is None:
            return None
        mask = batch[MASK_KEY]
        if isinstance(self.mask_space, spaces.Tuple):
            mask = np.concatenate([np.asarray(part).reshape(rows, -1) for part in mask], axis=1)
        return np.ascontiguousarray(np.asarray(mask).reshape(rows, -1) != 0)

    def single(self, observation: Any) -> tuple[Any, bool]:
        """``observation`` as a batch, and whether it was a single one."""
        if isinstance(self.space, spaces.Dict):
            entries = ", ".join(self.space.spaces)
            if not isinstance(observation, dict):
                raise _native.DataError(
                    f"the observation is of {type(observation)}, expected a dictionary of {entries}"
                )
            missing = [key for key in self.space.spaces if key not in observation]
            if missing:
                raise _native.DataError(f"the observation lacks {', '.join(missing)}, its space has {entries}")
            first_key, first = next(iter(self.space.spaces.items()))
            single = self._is_single(first, observation[first_key])
            return (
                {key: np.asarray(value)[None] for key, value in observation.items()} if single else observation
            ), single
        single = self._is_single(self.space, observation)
        return (np.asarray(observation)[None] if single else observation), single

    @staticmethod
    def _is_single(space: spaces.Space[Any], observation: Any) -> bool:
        if isinstance(space, spaces.Tuple):
            return ObsCodec._is_single(space.spaces[0], observation[0])
        return np.ndim(observation) == len(space.shape or ())

    @staticmethod
    def rows(batch: Any) -> int:
        """Rows of a batch."""
        while isinstance(batch, (dict, tuple)):
            batch = next(iter(batch.values())) if isinstance(batch, dict) else batch[0]
        return len(batch)


class ActionCodec:
    """From a head's actions to the environment's, and the head that suits a space.

    ``Discrete`` is a categorical head, ``MultiDiscrete`` one of several, ``MultiBinary`` a Bernoulli head, and a ``Box`` of floats a Gaussian one
    whose draws are clipped to the bounds on their way to the environment.
    """

    def __init__(self, space: spaces.Space[Any], masked: bool = False) -> None:
        self.space = space
        self.head: dict[str, Any]
        if isinstance(space, spaces.Discrete):
            self.head = {"kind": "categorical", "actions": int(space.n)}
        elif isinstance(space, spaces.MultiDiscrete):
            self.head = {"kind": "multi_discrete", "nvec": [int(n) for n in space.nvec.reshape(-1)]}
        elif isinstance(space, spaces.MultiBinary):
            self.head = {"kind": "bernoulli", "dims": int(np.prod(space.shape, dtype=np.int64))}
        elif isinstance(space, spaces.Box):
            if not np.issubdtype(cast(Any, space.dtype), np.floating):
                raise SpaceError(f"the action space is a Box of {space.dtype}: a Box of actions must hold floats")
            dims = int(np.prod(space.shape, dtype=np.int64))
            if dims == 0:
                raise SpaceError("the action space has no numbers at all")
            self.head = {"kind": "gaussian", "dims": dims}
            if self.bounded:
                low, high = (np.asarray(bound, np.float64).reshape(-1).tolist() for bound in (space.low, space.high))
                self.head["bounds"] = {"low": low, "high": high}
        else:
            raise SpaceError(
                f"the action space is a {type(space).__name__}: actions may be Discrete, MultiDiscrete, MultiBinary, or a Box of floats"
            )
        if masked:
            if self.head["kind"] not in ("categorical", "multi_discrete"):
                raise SpaceError(
                    f"action_mask is for Discrete and MultiDiscrete actions, not for a {type(space).__name__}"
                )
            self.head["masked"] = True

    @property
    def bounded(self) -> bool:
        """Whether every dimension of a ``Box`` has both bounds."""
        space = self.space
        return isinstance(space, spaces.Box) and bool(
            np.all(np.isfinite(space.low)) and np.all(np.isfinite(space.high))
        )

    @property
    def choices(self) -> int:
        """Choices of all dimensions together: the width of a mask."""
        return int(self.head["actions"]) if self.head["kind"] == "categorical" else int(sum(self.head.get("nvec", [])))

    def env_actions(self, actions: Array) -> Array:
        """What a vector environment takes, of a head's ``env_actions`` ``[rows, dims]``."""
        rows, space = len(actions), self.space
        shaped: Array = actions.reshape(rows, *(space.shape or ())).astype(space.dtype)
        if isinstance(space, (spaces.Discrete, spaces.MultiDiscrete)):
            shaped = shaped + space.start
        elif isinstance(space, spaces.Box):
            shaped = np.clip(shaped, space.low, space.high)
        return shaped
