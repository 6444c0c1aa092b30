"""The random generators that a trainer in Python draws from, as they were."""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Iterator
from typing import Any

import numpy as np


def _spaces(space: Any) -> list[Any]:
    """``space`` and the spaces in it; each has a generator of its own."""
    inner = getattr(space, "spaces", ())
    return [space, *(one for part in (inner.values() if isinstance(inner, dict) else inner) for one in _spaces(part))]


@contextlib.contextmanager
def as_they_were(model: Any) -> Iterator[None]:
    """Puts back, at the end, the generators of Python, NumPy and PyTorch (of every device), and those of the model's spaces."""
    import torch

    spaces = [one for name in ("action_space", "observation_space") for one in _spaces(getattr(model, name, None))]
    generators = [getattr(space, "_np_random", None) for space in spaces]
    states = [None if one is None else copy.deepcopy(one.bit_generator.state) for one in generators]
    python, numpy = random.getstate(), np.random.get_state()
    device = torch.device(getattr(model, "device", "cpu"))
    others = {} if device.type == "cpu" else {"devices": [device], "device_type": device.type}
    with torch.random.fork_rng(**others or {"devices": []}):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            for space, generator, state in zip(spaces, generators, states, strict=True):
                if hasattr(space, "_np_random"):
                    # One that began only now is taken out again: the space then draws as if nothing had been.
                    space._np_random = generator
                if generator is not None:
                    generator.bit_generator.state = state
