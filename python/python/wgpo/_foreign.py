"""What files of other libraries have in common: layers by their numbers, and a model around them."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ._base import Algorithm
from ._files import read_bytes, write_bytes
from ._sb3_model import UnsupportedModel
from ._spaces import Array

#: PyTorch's modules by the name of their activation here.
ACTIVATIONS = {"Tanh": "tanh", "ReLU": "relu", "ELU": "elu", "SiLU": "silu", "GELU": "gelu_erf", "Identity": "identity"}


def assemble(
    kind: type[Algorithm],
    spec: dict[str, Any],
    config: dict[str, Any],
    tensors: Mapping[str, Array],
    table: Mapping[str, str],
    arguments: dict[str, Any],
) -> Any:
    """A model of ``kind`` with these weights, moments and counters."""
    model = kind(None, **arguments)
    model.spec, model.config = spec, config
    model.learner = model._make_learner(model.config)
    own, found = read_bytes(model.learner.state())
    for name, value in tensors.items():
        if name in own and own[name].size != np.size(value):
            raise UnsupportedModel(f"{name} has {np.size(value)} elements, the policy's has {own[name].size}")
        own[name] = np.asarray(value, own[name].dtype if name in own else np.float64).reshape(
            own[name].shape if name in own else np.shape(value)
        )
    model.learner.load_state(write_bytes(own, {**found.table, **table}))
    model.num_timesteps, model.updates = int(table.get("env_steps", 0)), int(table.get("update", 0))
    return model


def linear(state: Mapping[str, Any], pattern: str) -> list[tuple[Array, Array]]:
    """Weight and bias of each layer whose key matches ``pattern`` with its number."""
    found: dict[int, tuple[Array, Array]] = {}
    for key in state:
        match = re.fullmatch(pattern.replace("#", r"(\d+)") + r"\.weight", key)
        if match:
            weight = array(state[key])
            if weight.ndim != 2:
                raise UnsupportedModel(f"{key} has {weight.ndim} dimensions: only fully connected layers are known")
            bias = state.get(key.removesuffix("weight") + "bias")
            if bias is None:
                raise UnsupportedModel(f"{key} has no bias beside it")
            found[int(match.group(1))] = (weight, array(bias))
    return [found[index] for index in sorted(found)]


def array(value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value, np.float32)


def named(name: str, layers: list[tuple[Array, Array]]) -> dict[str, Array]:
    tensors: dict[str, Array] = {}
    for index, (weight, bias) in enumerate(layers):
        tensors[f"{name}.{index}.weight"], tensors[f"{name}.{index}.bias"] = weight, bias
    return tensors


def networks(
    actor: list[tuple[Array, Array]], critic: list[tuple[Array, Array]], activation: str, head: dict[str, Any]
) -> dict[str, Any]:
    for name, layers in (("actor", actor), ("critic", critic)):
        if not layers:
            raise UnsupportedModel(
                f"there are no layers of an {name}" if name == "actor" else f"there are no layers of a {name}"
            )
    if actor[0][0].shape[1] != critic[0][0].shape[1]:
        raise UnsupportedModel(
            f"the actor takes {actor[0][0].shape[1]} numbers, the critic {critic[0][0].shape[1]}: here both see the same observation"
        )
    return {
        "obs_dim": int(actor[0][0].shape[1]),
        "trunk": [],
        "policy_hidden": [int(weight.shape[0]) for weight, _ in actor[:-1]],
        "value_hidden": [int(weight.shape[0]) for weight, _ in critic[:-1]],
        "activation": activation,
        "head": head,
    }


def load(path: str | Path | io.BytesIO) -> Any:
    """A file of PyTorch's without running code from it."""
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)
