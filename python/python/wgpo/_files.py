"""wgpo's safetensors files, as Python sees them: tensors by name and a table of strings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from . import _native
from ._spaces import Array


@dataclass
class Metadata:
    """What a file says of itself."""

    #: The policy's shape.
    spec: dict[str, Any]
    #: The settings; ``None`` in a file of a policy alone.
    config: dict[str, Any] | None
    #: Environment steps since the start.
    env_steps: int
    #: Updates since the start.
    updates: int
    #: The whole table.
    table: dict[str, str]


def _metadata(table: dict[str, str], name: str) -> Metadata:
    if table.get("format") != "wgpo-1":
        raise _native.FormatError(f"{name} is no file of wgpo's: its metadata has no key format = wgpo-1")
    config = table.get("config")
    return Metadata(
        spec=json.loads(table["spec"]),
        config=json.loads(config) if config is not None else None,
        env_steps=int(table.get("env_steps", 0)),
        updates=int(table.get("update", 0)),
        table=table,
    )


def read_metadata(path: Path) -> Metadata:
    """The metadata of the file ``path``."""
    try:
        with safe_open(str(path), framework="numpy") as opened:
            return _metadata(dict(opened.metadata() or {}), str(path))
    except SafetensorError as error:
        raise _native.FormatError(f"{path} is no safetensors file: {error}") from error


def read_bytes(data: bytes) -> tuple[dict[str, Array], Metadata]:
    """Tensors and metadata of a state's bytes."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return dict(load_tensors(data)), _metadata(dict(header.get("__metadata__", {})), "the state")


def write_bytes(tensors: dict[str, Array], table: dict[str, str]) -> bytes:
    """The bytes of a state with these tensors. The key ``checksum`` is left out, as it belongs to the old ones."""
    table = {key: value for key, value in table.items() if key != "checksum"}
    return bytes(save_tensors({name: np.ascontiguousarray(value) for name, value in tensors.items()}, metadata=table))


def fitted(data: bytes, num_envs: int) -> bytes:
    """A state for ``num_envs`` environments: rolling returns of another number of them begin anew."""
    name = "normalizer.discounted_returns"
    tensors, found = read_bytes(data)
    if name not in tensors or tensors[name].shape == (num_envs,):
        return data
    tensors[name] = np.zeros(num_envs, np.float32)
    return write_bytes(tensors, found.table)


def ended(data: bytes) -> bytes:
    """A state whose newest transitions end their episodes as truncated, if they do not end them anyhow: what is stored next begins others."""
    tensors, found = read_bytes(data)
    stored = int(found.table.get("replay.stored", 0))
    if stored == 0 or "replay.truncated" not in tensors:
        return data
    newest = (int(found.table["replay.next_write"]) - 1) % stored
    truncated = tensors["replay.truncated"].reshape(stored, -1).copy()
    truncated[newest] |= tensors["replay.terminated"].reshape(stored, -1)[newest] == 0
    tensors["replay.truncated"] = truncated.reshape(tensors["replay.truncated"].shape)
    return write_bytes(tensors, found.table)
