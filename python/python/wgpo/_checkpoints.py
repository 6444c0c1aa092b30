"""Policies of other libraries: read from their files, and written for them."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import _native
from ._base import Algorithm
from ._files import read_bytes, write_bytes
from ._on_policy import A2C, PPO, TRPO
from ._sb3_model import UnsupportedModel
from ._spaces import Array
from ._spec import config_with

#: PyTorch's modules by the name of their activation here.
ACTIVATIONS = {"Tanh": "tanh", "ReLU": "relu", "ELU": "elu", "SiLU": "silu", "GELU": "gelu_erf", "Identity": "identity"}


def _assemble(
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


def _linear(state: Mapping[str, Any], pattern: str) -> list[tuple[Array, Array]]:
    """Weight and bias of each layer whose key matches ``pattern`` with its number."""
    found: dict[int, tuple[Array, Array]] = {}
    for key in state:
        match = re.fullmatch(pattern.replace("#", r"(\d+)") + r"\.weight", key)
        if match:
            weight = _array(state[key])
            if weight.ndim != 2:
                raise UnsupportedModel(f"{key} has {weight.ndim} dimensions: only fully connected layers are known")
            bias = state.get(key.removesuffix("weight") + "bias")
            if bias is None:
                raise UnsupportedModel(f"{key} has no bias beside it")
            found[int(match.group(1))] = (weight, _array(bias))
    return [found[index] for index in sorted(found)]


def _array(value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value, np.float32)


def _named(name: str, layers: list[tuple[Array, Array]]) -> dict[str, Array]:
    tensors: dict[str, Array] = {}
    for index, (weight, bias) in enumerate(layers):
        tensors[f"{name}.{index}.weight"], tensors[f"{name}.{index}.bias"] = weight, bias
    return tensors


def _spec(
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


def _load(path: str | Path | io.BytesIO) -> Any:
    """A file of PyTorch's without running code from it."""
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)


# -- Stable-Baselines3 --------------------------------------------------------------------------------------------------------------------------


def _numbers(text: Any) -> list[float]:
    """The numbers of an array as NumPy prints it."""
    if isinstance(text, (int, float)):
        return [float(text)]
    if isinstance(text, list):
        return [float(one) for one in np.asarray(text, np.float64).reshape(-1)]
    if "..." in str(text):
        raise UnsupportedModel(
            "the file's spaces are too long to be read from their text: give the loaded model in place of the file"
        )
    return [float(one) for one in str(text).replace("[", " ").replace("]", " ").split()]


def _sb3_head(space: dict[str, Any], outputs: int) -> dict[str, Any]:
    kind = str(space[":type:"])
    if "Discrete'" in kind and "Multi" not in kind:
        return {"kind": "categorical", "actions": outputs}
    if "MultiDiscrete" in kind:
        return {"kind": "multi_discrete", "nvec": [int(n) for n in _numbers(space["nvec"])]}
    if "MultiBinary" in kind:
        return {"kind": "bernoulli", "dims": outputs}
    if "Box" in kind:
        head: dict[str, Any] = {"kind": "gaussian", "dims": outputs, "std": {"from_state": False, "limit": "free"}}
        low, high = _numbers(space["low"]), _numbers(space["high"])
        if np.all(np.isfinite(low + high)):
            head["bounds"] = {"low": low, "high": high}
        return head
    raise UnsupportedModel(f"the action space is a {kind}")


def _constant(value: Any, name: str) -> float | None:
    """A schedule's number if it is constant; else nothing."""
    if isinstance(value, (int, float)):
        return float(value)
    match = re.fullmatch(r"ConstantSchedule\(val=(.*)\)", str((value or {}).get("value_schedule", "")))
    return float(match.group(1)) if match else None


def from_sb3(model: Any, **arguments: Any) -> Any:
    """The policy of Stable-Baselines3's ``PPO`` or ``A2C``, or sb3-contrib's ``TRPO``, with its settings and its optimiser's moments.

    Args:
        model: the file that its ``save`` wrote, or the loaded model. Of a file only texts and tensors are read (``weights_only=True``): no code in it runs,
            and Stable-Baselines3 is not needed.
        **arguments: ``backend``, ``seed``, ``verbose``, … of :class:`wgpo.PPO`.

    Returns:
        A :class:`wgpo.PPO`, :class:`wgpo.A2C` or :class:`wgpo.TRPO`. A learning rate or clip range that follows a schedule has its preset's value, as a schedule is
        code.

    Raises:
        UnsupportedModel: images, gSDE, or a distribution that wgpo has not.
    """
    if isinstance(model, (str, Path)):
        return _from_sb3_file(Path(model), arguments)
    from ._sb3_model import PolicyMap, config_of, get_moments, kind_of, optimizer_of

    kind, mapping = kind_of(model), PolicyMap(model.policy)
    optimizer, _ = optimizer_of(model.policy)
    moments, steps = get_moments(mapping, optimizer)
    preset = "sb3-contrib" if kind == "trpo" else "sb3"
    base = _native.default_config(kind, preset, mapping.spec["head"]["kind"] != "gaussian")
    config = config_with(kind, base, config_of(model, kind))
    table = {"optimizer_step": str(steps), "env_steps": str(int(model.num_timesteps))}
    return _assemble(
        {"ppo": PPO, "a2c": A2C, "trpo": TRPO}[kind],
        mapping.spec,
        config,
        {**mapping.get(), **moments},
        table,
        arguments,
    )


def _from_sb3_file(path: Path, arguments: dict[str, Any]) -> Any:
    with zipfile.ZipFile(path) as archive:
        data = json.loads(archive.read("data"))
        policy = _load(io.BytesIO(archive.read("policy.pth")))
        optimizer = _load(io.BytesIO(archive.read("policy.optimizer.pth")))
    if "rollout_buffer_class" not in data:
        raise UnsupportedModel(f"{path} is of an off-policy algorithm, expected PPO, A2C or TRPO")
    kind: type[Algorithm] = TRPO if "cg_max_steps" in data else PPO if "clip_range" in data else A2C
    if data.get("use_sde"):
        raise UnsupportedModel("the policy explores by gSDE (use_sde=True), which wgpo has not")
    actor = [
        *_linear(policy, r"mlp_extractor\.policy_net\.#"),
        (_array(policy["action_net.weight"]), _array(policy["action_net.bias"])),
    ]
    critic = [
        *_linear(policy, r"mlp_extractor\.value_net\.#"),
        (_array(policy["value_net.weight"]), _array(policy["value_net.bias"])),
    ]
    tensors = {**_named("policy", actor), **_named("value", critic)}
    if "log_std" in policy:
        tensors["log_std"] = _array(policy["log_std"])
    theirs = sum(int(np.size(_array(value))) for value in policy.values())
    if theirs != sum(value.size for value in tensors.values()):
        raise UnsupportedModel(
            f"{path} has parts beside actor and critic that wgpo does not know: {', '.join(sorted(policy))}"
        )
    words = str((data.get("policy_kwargs") or {}).get("activation_fn", "Tanh'>"))
    module = words.removesuffix("'>").rsplit(".", 1)[-1]
    if module not in ACTIVATIONS:
        raise UnsupportedModel(f"the activation is {module}, expected one of {', '.join(ACTIVATIONS)}")
    spec = _spec(actor, critic, ACTIVATIONS[module], _sb3_head(data["action_space"], int(actor[-1][0].shape[0])))
    moments, steps = _sb3_moments(policy, optimizer)
    config = _sb3_settings(kind.algorithm, data, optimizer, spec)
    table = {"optimizer_step": str(steps), "env_steps": str(int(data["num_timesteps"]))}
    return _assemble(kind, spec, config, {**tensors, **moments}, table, arguments)


def _sb3_names(policy: Mapping[str, Any]) -> dict[str, str]:
    """Our name of each of its tensors."""
    names = {"log_std": "log_std"}
    for ours, net, last in (("policy", "policy_net", "action_net"), ("value", "value_net", "value_net")):
        numbers = sorted({int(key.split(".")[2]) for key in policy if key.startswith(f"mlp_extractor.{net}.")})
        for part in ("weight", "bias"):
            for index, number in enumerate(numbers):
                names[f"mlp_extractor.{net}.{number}.{part}"] = f"{ours}.{index}.{part}"
            names[f"{last}.{part}"] = f"{ours}.{len(numbers)}.{part}"
    return names


def _sb3_moments(policy: Mapping[str, Any], optimizer: dict[str, Any]) -> tuple[dict[str, Array], int]:
    names, moments, steps = _sb3_names(policy), {}, 0
    # The optimiser counts parameters in the order of the policy's.
    for index, key in enumerate(policy):
        own = optimizer["state"].get(index, {})
        for theirs, ours in (("exp_avg", "exp_avg"), ("exp_avg_sq", "exp_avg_sq"), ("square_avg", "exp_avg_sq")):
            if theirs in own:
                moments[f"optimizer.{ours}.{names[key]}"] = _array(own[theirs])
        if "step" in own:
            steps = max(steps, int(own["step"]))
    return moments, steps


def _sb3_settings(
    algorithm: str, data: dict[str, Any], optimizer: dict[str, Any], spec: dict[str, Any]
) -> dict[str, Any]:
    preset = "sb3-contrib" if algorithm == "trpo" else "sb3"
    given: dict[str, Any] = {"num_envs": data["n_envs"], "num_steps": data["n_steps"], "anneal_lr": False}
    given |= {key: data[key] for key in ("gamma", "gae_lambda")}
    rate = _constant(data["learning_rate"], "learning_rate") or _constant(data.get("lr_schedule"), "lr_schedule")
    if rate is not None:
        given["learning_rate"] = rate
    if algorithm != "trpo":
        given |= {key: data[key] for key in ("ent_coef", "vf_coef", "max_grad_norm")}
    given["norm_adv"] = "minibatch" if data["normalize_advantage"] else "none"
    if algorithm == "ppo":
        given |= {"minibatch_size": data["batch_size"], "update_epochs": data["n_epochs"]}
        clip = _constant(data["clip_range"], "clip_range")
        if clip is not None:
            given["clip_coef"] = clip
        clip_vf = _constant(data["clip_range_vf"], "clip_range_vf") if data["clip_range_vf"] is not None else None
        if clip_vf is not None:
            given |= {"value_loss": "clip_only", "clip_coef_vf": clip_vf}
        if data["target_kl"] is not None:
            given["target_kl"] = data["target_kl"]
    if algorithm == "trpo":
        dims = spec["head"]["dims"] if spec["head"]["kind"] in ("gaussian", "bernoulli") else 1
        given |= {"minibatch_size": data["batch_size"], "update_epochs": data["n_critic_updates"]}
        given["trust_region"] = {
            "max_kl": data["target_kl"] * dims,
            "damping": data["cg_damping"] * dims,
            "cg_iterations": data["cg_max_steps"],
            "line_search_steps": data["line_search_max_iter"],
            "line_search_factor": data["line_search_shrinking_factor"],
            "subsample": data["sub_sampling_factor"],
        }
    group = optimizer["param_groups"][0]
    if "betas" in group:
        given |= {
            "optimizer": "adam",
            "adam_beta1": group["betas"][0],
            "adam_beta2": group["betas"][1],
            "adam_eps": group["eps"],
        }
    elif "alpha" in group:
        given |= {"optimizer": "rmsprop", "rmsprop_alpha": group["alpha"], "rmsprop_eps": group["eps"]}
    base = _native.default_config(algorithm, preset, spec["head"]["kind"] != "gaussian")
    return config_with(algorithm, base, given)


def to_sb3(model: Algorithm, path: str | Path | None = None, env: Any = None) -> Any:
    """Stable-Baselines3's ``PPO`` or ``A2C``, or sb3-contrib's ``TRPO``, with the weights, settings and moments of ``model``.

    Args:
        model: a :class:`wgpo.PPO`, :class:`wgpo.A2C` or :class:`wgpo.TRPO`.
        path: where its ``save`` is to write, if anywhere.
        env: an environment for it to train in; by default it only predicts.

    Raises:
        UnsupportedModel: a shared trunk, masks, normalised observations, or a distribution that it has not.
    """
    import gymnasium as gym
    import torch
    from stable_baselines3 import A2C as TheirA2C
    from stable_baselines3 import PPO as TheirPPO

    from ._sb3_model import PolicyMap, set_moments

    spec, config, head = model.spec, model.config, model.spec["head"]
    if model.algorithm not in ("ppo", "a2c", "trpo"):
        raise UnsupportedModel(f"{model.algorithm} has no equal in Stable-Baselines3 that its policy could go to")
    if spec.get("trunk") or spec.get("branches"):
        raise UnsupportedModel(
            "the policy has a trunk that actor and critic share, which Stable-Baselines3's MlpPolicy has not"
        )
    if config.get("norm_obs"):
        raise UnsupportedModel(
            "observations are normalised inside (norm_obs), which Stable-Baselines3's policy does not: train with norm_obs='off'"
        )
    if head.get("masked"):
        raise UnsupportedModel("the head is masked, which Stable-Baselines3's policy is not")
    action_space = model.action_codec.space if model.action_codec is not None else _action_space(head)
    observation_space = gym.spaces.Box(-np.inf, np.inf, (int(spec["obs_dim"]),), np.float32)

    class Nowhere(gym.Env[Any, Any]):
        """Only its spaces are looked at."""

        def __init__(self) -> None:
            self.observation_space, self.action_space = observation_space, action_space

        def reset(
            self, *, seed: int | None = None, options: dict[str, Any] | None = None
        ) -> tuple[Any, dict[str, Any]]:
            return np.zeros(observation_space.shape, np.float32), {}

    modules = {name: module for module, name in ACTIVATIONS.items()}
    if spec["activation"] not in modules:
        raise UnsupportedModel(
            f"the activation is {spec['activation']}, which PyTorch has not as a module without arguments"
        )
    networks = {"pi": spec["policy_hidden"], "vf": spec["value_hidden"]}
    kwargs: dict[str, Any] = {
        "policy_kwargs": {"net_arch": networks, "activation_fn": getattr(torch.nn, modules[spec["activation"]])},
        "device": "cpu",
        "n_steps": int(config["num_steps"]),
        "gamma": config["gamma"],
        "gae_lambda": config["gae_lambda"],
        "learning_rate": config["learning_rate"],
        "normalize_advantage": config["norm_adv"] != "none",
    }
    kwargs |= _their_settings(model.algorithm, config, head)
    if model.algorithm == "trpo":
        from sb3_contrib import TRPO as TheirTRPO

        made: Any = TheirTRPO("MlpPolicy", Nowhere() if env is None else env, **kwargs)
    else:
        made = {"ppo": TheirPPO, "a2c": TheirA2C}[model.algorithm](
            "MlpPolicy", Nowhere() if env is None else env, **kwargs
        )
    made.num_timesteps = model.num_timesteps
    mapping = PolicyMap(made.policy)
    tensors, found = read_bytes(model.learner.state())
    mapping.set({name: tensors[name] for name in mapping.tensors})
    optimizer = "rmsprop" if config.get("optimizer") == "rmsprop" else "adam"
    skip = ("policy.", "log_std") if model.algorithm == "trpo" else ()
    set_moments(mapping, optimizer, tensors, int(found.table["optimizer_step"]), skip)
    if path is not None:
        made.save(path)
    return made


def _action_space(head: dict[str, Any]) -> Any:
    from gymnasium import spaces

    if head["kind"] == "categorical":
        return spaces.Discrete(head["actions"])
    if head["kind"] == "multi_discrete":
        return spaces.MultiDiscrete(head["nvec"])
    if head["kind"] == "bernoulli":
        return spaces.MultiBinary(head["dims"])
    if head["kind"] == "gaussian" and not (head.get("std") or {}).get("from_state"):
        bounds = head.get("bounds") or {"low": [-np.inf] * head["dims"], "high": [np.inf] * head["dims"]}
        return spaces.Box(np.asarray(bounds["low"], np.float32), np.asarray(bounds["high"], np.float32))
    raise UnsupportedModel(f"the head is {head['kind']}, which Stable-Baselines3's MlpPolicy has not")


def _their_settings(algorithm: str, config: dict[str, Any], head: dict[str, Any]) -> dict[str, Any]:
    rows = int(config["num_envs"]) * int(config["num_steps"])
    size = config.get("minibatch_size") or max(2, rows // int(config.get("num_minibatches") or 1))
    if algorithm == "a2c":
        given = {key: config[key] for key in ("ent_coef", "vf_coef")}
        return given | {
            "max_grad_norm": config.get("max_grad_norm") or float("inf"),
            "use_rms_prop": config.get("optimizer") == "rmsprop",
        }
    if algorithm == "trpo":
        dims, region = head["dims"] if head["kind"] in ("gaussian", "bernoulli") else 1, config["trust_region"]
        return {
            "batch_size": int(size),
            "n_critic_updates": config["update_epochs"],
            "target_kl": region["max_kl"] / dims,
            "cg_damping": region["damping"] / dims,
            "cg_max_steps": region["cg_iterations"],
            "line_search_max_iter": region["line_search_steps"],
            "line_search_shrinking_factor": region["line_search_factor"],
            "sub_sampling_factor": region["subsample"],
        }
    given = {"batch_size": int(size), "n_epochs": config["update_epochs"], "clip_range": config["clip_coef"]}
    given |= {"ent_coef": config["ent_coef"], "vf_coef": config["vf_coef"] * config["vf_loss_scale"]}
    return given | {"max_grad_norm": config.get("max_grad_norm") or float("inf"), "target_kl": config.get("target_kl")}


# -- CleanRL ------------------------------------------------------------------------------------------------------------------------------------


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
        state = _load(state)
    head: dict[str, Any]
    tensors: dict[str, Array] = {}
    if any(key.startswith("actor_mean.") for key in state):
        actor = _linear(state, r"actor_mean\.#")
        tensors["log_std"] = _array(state["actor_logstd"]).reshape(-1)
        head = {"kind": "gaussian", "dims": int(tensors["log_std"].size), "std": {"from_state": False, "limit": "free"}}
        if low is not None and high is not None:
            bounds = [np.broadcast_to(np.asarray(one, np.float64), head["dims"]).tolist() for one in (low, high)]
            head["bounds"] = {"low": bounds[0], "high": bounds[1]}
    else:
        actor = _linear(state, r"actor\.#")
        outputs = int(actor[-1][0].shape[0]) if actor else 0
        head = (
            {"kind": "multi_discrete", "nvec": list(nvec)}
            if nvec is not None
            else {"kind": "categorical", "actions": outputs}
        )
    critic = _linear(state, r"critic\.#")
    spec = _spec(actor, critic, activation, head)
    tensors |= {**_named("policy", actor), **_named("value", critic)}
    theirs = sum(int(_array(value).size) for value in state.values())
    if theirs != sum(value.size for value in tensors.values()):
        raise UnsupportedModel(f"the state has parts beside actor and critic: {', '.join(sorted(state))}")
    base = _native.default_config("ppo", "cleanrl", head["kind"] != "gaussian")
    config = config_with("ppo", base, {"norm_obs": "off", "norm_reward": "off"} if head["kind"] == "gaussian" else {})
    made: PPO = _assemble(PPO, spec, config, tensors, {}, arguments)
    return made


# -- rsl_rl -------------------------------------------------------------------------------------------------------------------------------------


def from_rsl_rl(path: Any, *, activation: str = "elu", **arguments: Any) -> PPO:
    """The policy of rsl_rl's PPO: its runner's ``model_<n>.pt``, of version 5 (actor and critic apart) or before (``model_state_dict``).

    Args:
        path: the file, read with ``weights_only=True``, or what ``torch.load`` gave.
        activation: of the hidden layers, which the file does not say; rsl_rl's default is ELU.
        **arguments: ``backend``, ``seed``, … of :class:`wgpo.PPO`.

    Statistics of observations (``obs_normalization``) go inside the policy, with its ε of 1e-2 outside the root.
    """
    saved = path if isinstance(path, Mapping) else _load(path)
    if "actor_state_dict" in saved:
        parts = saved["actor_state_dict"], saved["critic_state_dict"]
        actor, critic = (_linear(part, r"mlp\.#") for part in parts)
        actor_state = parts[0]
        deviations = {"scalar": "distribution.std_param", "log": "distribution.log_std_param"}
        statistics = [_rsl_statistics(part, "obs_normalizer.") for part in parts]
    elif "model_state_dict" in saved:
        actor_state = saved["model_state_dict"]
        actor, critic = _linear(actor_state, r"actor\.#"), _linear(actor_state, r"critic\.#")
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
    tensors = {**_named("policy", actor), **_named("value", critic)}
    deviation = _array(actor_state[deviations[kind]]).reshape(-1)
    tensors["std" if kind == "scalar" else "log_std"] = deviation
    std: dict[str, Any] = {"std_type": "scalar"} if kind == "scalar" else {"from_state": False, "limit": "free"}
    spec = _spec(actor, critic, activation, {"kind": "gaussian", "dims": int(deviation.size), "std": std})
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
    made: PPO = _assemble(PPO, spec, config, tensors, table, arguments)
    return made


def _rsl_statistics(state: Mapping[str, Any], prefix: str) -> tuple[Array, Array, Array] | None:
    if f"{prefix}_mean" not in state:
        return None
    mean, variance, count = (_array(state[prefix + name]).reshape(-1) for name in ("_mean", "_var", "count"))
    return mean, variance, count
