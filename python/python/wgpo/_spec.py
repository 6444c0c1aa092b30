"""Networks and settings of an algorithm for an environment."""

from __future__ import annotations

import json
from typing import Any

from . import _native


def off(value: Any) -> Any:
    """``"off"`` as ``None``, in tables too: what the library takes for an absent setting."""
    if isinstance(value, dict):
        return {key: off(inner) for key, inner in value.items()}
    return None if isinstance(value, str) and value == "off" else value


def config_with(algorithm: str, base: str | dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``settings`` over it.

    Raises:
        ConfigError: all that is wrong, with the nearest name.
    """
    text = base if isinstance(base, str) else json.dumps(base)
    found: dict[str, Any] = json.loads(_native.config_with(algorithm, text, off(settings)) if settings else text)
    return found


def make_spec(
    algorithm: str,
    obs_dim: int,
    head: dict[str, Any],
    preset: str | None,
    hidden: list[int] | tuple[int, ...] | None,
    activation: str | None,
    settings: dict[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The policy and the settings, as docs/rollout-format.md has them."""
    discrete = head["kind"] in ("categorical", "multi_discrete", "bernoulli", "discretised")
    config = config_with(algorithm, _native.default_config(algorithm, preset, discrete), settings)
    widths = list(hidden) if hidden is not None else None
    spec = _native.default_spec(algorithm, obs_dim, json.dumps(head), widths, activation, preset)
    return fitted(spec, config), config


def limited(spec: dict[str, Any], limit: str | dict[str, Any] | None, algorithm: str) -> dict[str, Any]:
    """``spec`` with another limit of its deviation, as docs/rollout-format.md has it, if there is one.

    Raises:
        ConfigError: the policy has no deviation.
    """
    if limit is None:
        return spec
    head = spec["head"]
    if algorithm in ("ddpg", "td3"):
        raise _native.ConfigError(f"std_limit: {algorithm}'s actor has no deviation; its noise is exploration_noise")
    if head["kind"] not in ("gaussian", "tanh_gaussian"):
        raise _native.ConfigError(f"std_limit: a {head['kind']} head has no deviation")
    return {**spec, "head": {**head, "std": {**(head.get("std") or {}), "limit": limit}}}


def with_deviation(head: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """``head`` with the deviation of ``other``, where it has none of its own and ``other`` has one."""
    has_own = "std" in head or head["kind"] not in ("gaussian", "tanh_gaussian")
    return head if has_own or "std" not in other else {**head, "std": other["std"]}


def fitted(spec: str | dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """``spec`` with the networks that these settings learn, such as a dueling DQN's branch of values."""
    text = spec if isinstance(spec, str) else json.dumps(spec)
    found: dict[str, Any] = json.loads(_native.fitted_spec(text, json.dumps(config)))
    return found
