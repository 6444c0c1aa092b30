"""Policies of CleanRL and rsl_rl."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import _native
from ._foreign import array, assemble, linear, load, named, networks
from ._on_policy import PPO
from ._sb3_model import UnsupportedModel
from ._spaces import Array
from ._spec import config_with


def from_cleanrl(
    state: Any,
    *,
    nvec: list[int] | None = None,
    low: Any = None,
    high: Any = None,
    activation: str = "tanh",
    **arguments: Any,
) -> PPO:
    """The policy of CleanRL's ``ppo.py`` or ``ppo_continuous_action.py``.

    Args:
        state: ``agent.state_dict()``, or the file that ``torch.save`` wrote of it (read with ``weights_only=True``).
        nvec: choices of each dimension, if actions are ``MultiDiscrete``.
        low: bounds of continuous actions, if the environment has them.
        high: as ``low``.
        activation: of the hidden layers; CleanRL's is tanh.
        **arguments: ``backend``, ``seed``, … of :class:`wgpo.PPO`.

    CleanRL normalises observations in wrappers around the environment, so the file has no statistics: give observations that are already normalised.
    """
    if isinstance(state, (str, Path)):
        state = load(state)
    head: dict[str, Any]
    tensors: dict[str, Array] = {}
    if any(key.startswith("actor_mean.") for key in state):
        actor = linear(state, r"actor_mean\.#")
        tensors["log_std"] = array(state["actor_logstd"]).reshape(-1)
        head = {"kind": "gaussian", "dims": int(tensors["log_std"].size), "std": {"from_state": False, "limit": "free"}}
        if low is not None and high is not None:
            bounds = [np.broadcast_to(np.asarray(one, np.float64), head["dims"]).tolist() for one in (low, high)]
            head["bounds"] = {"low": bounds[0], "high": bounds[1]}
    else:
        actor = linear(state, r"actor\.#")
        outputs = int(actor[-1][0].shape[0]) if actor else 0
        head = (
            {"kind": "multi_discrete", "nvec": list(nvec)}
            if nvec is not None
            else {"kind": "categorical", "actions": outputs}
        )
    critic = linear(state, r"critic\.#")
    spec = networks(actor, critic, activation, head)
    tensors |= {**named("policy", actor), **named("value", critic)}
    theirs = sum(int(array(value).size) for value in state.values())
    if theirs != sum(value.size for value in tensors.values()):
        raise UnsupportedModel(f"the state has parts beside actor and critic: {', '.join(sorted(state))}")
    base = _native.default_config("ppo", "cleanrl", head["kind"] != "gaussian")
    config = config_with("ppo", base, {"norm_obs": "off", "norm_reward": "off"} if head["kind"] == "gaussian" else {})
    made: PPO = assemble(PPO, spec, config, tensors, {}, arguments)
    return made


def from_rsl_rl(path: Any, *, activation: str = "elu", **arguments: Any) -> PPO:
    """The policy of rsl_rl's PPO: its runner's ``model_<n>.pt``, of version 5 (actor and critic apart) or before (``model_state_dict``).

    Args:
        path: the file, read with ``weights_only=True``, or what ``torch.load`` gave.
        activation: of the hidden layers, which the file does not say; rsl_rl's default is ELU.
        **arguments: ``backend``, ``seed``, … of :class:`wgpo.PPO`.

    Statistics of observations (``obs_normalization``) go inside the policy, with its ε of 1e-2 outside the root.
    """
    saved = path if isinstance(path, Mapping) else load(path)
    if "actor_state_dict" in saved:
        parts = saved["actor_state_dict"], saved["critic_state_dict"]
        actor, critic = (linear(part, r"mlp\.#") for part in parts)
        actor_state = parts[0]
        deviations = {"scalar": "distribution.std_param", "log": "distribution.log_std_param"}
        statistics = [_rsl_statistics(part, "obs_normalizer.") for part in parts]
    elif "model_state_dict" in saved:
        actor_state = saved["model_state_dict"]
        actor, critic = linear(actor_state, r"actor\.#"), linear(actor_state, r"critic\.#")
        deviations = {"scalar": "std", "log": "log_std"}
        statistics = [_rsl_statistics(actor_state, f"{name}_obs_normalizer.") for name in ("actor", "critic")]
    else:
        raise UnsupportedModel(
            f"the file has the keys {', '.join(sorted(saved))}, expected actor_state_dict and critic_state_dict, or model_state_dict"
        )
    kind = next((kind for kind, key in deviations.items() if key in actor_state), None)
    if kind is None:
        raise UnsupportedModel(
            "the actor has no free deviation (std_param or log_std_param): one that depends on the state is not read"
        )
    tensors = {**named("policy", actor), **named("value", critic)}
    deviation = array(actor_state[deviations[kind]]).reshape(-1)
    tensors["std" if kind == "scalar" else "log_std"] = deviation
    std: dict[str, Any] = {"std_type": "scalar"} if kind == "scalar" else {"from_state": False, "limit": "free"}
    spec = networks(actor, critic, activation, {"kind": "gaussian", "dims": int(deviation.size), "std": std})
    settings: dict[str, Any] = {"num_envs": 1}
    table: dict[str, str] = {}
    own = statistics[0]
    if own is not None or statistics[1] is not None:
        if (
            own is None
            or statistics[1] is None
            or any(not np.allclose(one, other) for one, other in zip(own, statistics[1], strict=True))
        ):
            raise UnsupportedModel("actor and critic normalise their observations differently: here both see the same")
        settings["norm_obs"] = {"eps": 1e-2, "eps_placement": "outside_root", "initial_count": 0.0}
        tensors["normalizer.obs.mean"], tensors["normalizer.obs.variance"] = (
            own[0].astype(np.float64),
            own[1].astype(np.float64),
        )
        table = {"normalizer.obs.count": str(int(own[2][0])), "normalizer.obs.initial_count": "0"}
    config = config_with("ppo", _native.default_config("ppo", "rsl_rl", False), settings)
    made: PPO = assemble(PPO, spec, config, tensors, table, arguments)
    return made


def _rsl_statistics(state: Mapping[str, Any], prefix: str) -> tuple[Array, Array, Array] | None:
    if f"{prefix}_mean" not in state:
        return None
    mean, variance, count = (array(state[prefix + name]).reshape(-1) for name in ("_mean", "_var", "count"))
    return mean, variance, count
