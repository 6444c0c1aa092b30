"""Policies of Stable-Baselines3 and sb3-contrib."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import _native
from ._base import Algorithm
from ._foreign import array, assemble, linear, load, named, networks
from ._off_policy import DDPG, DQN, SAC, TD3
from ._on_policy import A2C, PPO, TRPO
from ._sb3_model import OFF_POLICY, ON_POLICY, UnsupportedModel, kind_of, refuse_sde
from ._sb3_off_policy_file import read
from ._sb3_words import activation, constant, head_of, optimizer_settings_of
from ._spaces import Array
from ._spec import config_with


def from_sb3(model: Any, **arguments: Any) -> Any:
    """A model of Stable-Baselines3's ``PPO``, ``A2C``, ``DQN``, ``DDPG``, ``TD3`` or ``SAC``, or sb3-contrib's ``TRPO``: weights, targets, settings, moments, counters.

    Args:
        model: the file that its ``save`` wrote, or the loaded model. Of a file only texts and tensors are read (``weights_only=True``): no code in it runs,
            and Stable-Baselines3 is not needed.
        **arguments: ``backend``, ``seed``, ``verbose``, … of :class:`wgpo.PPO`.

    Returns:
        A :class:`wgpo.PPO`, :class:`wgpo.A2C`, … of the same name. A learning rate or clip range that follows a schedule has its preset's value, as a schedule is
        code. So has exploration that is no Gaussian noise of one deviation, and ``train_freq`` in episodes. Transitions of a replay memory stay behind, as they are
        not in the file either.

    Raises:
        UnsupportedModel: images, gSDE, a distribution or an optimiser that wgpo has not.
    """
    if isinstance(model, (str, Path)):
        return _from_sb3_file(Path(model), arguments)
    from ._sb3_model import PolicyMap, config_of, get_moments, optimizer_of

    kind = kind_of(model, ON_POLICY | OFF_POLICY)
    if kind in OFF_POLICY.values():
        # What ``save`` writes has all that there is.
        file = io.BytesIO()
        model.save(file)
        return _from_sb3_zip(file, "the model", arguments)
    mapping = PolicyMap(model.policy)
    optimizer, _ = optimizer_of(model.policy)
    moments, steps = get_moments(mapping, optimizer)
    preset = "sb3-contrib" if kind == "trpo" else "sb3"
    base = _native.default_config(kind, preset, mapping.spec["head"]["kind"] != "gaussian")
    config = config_with(kind, base, config_of(model, kind))
    table = {"optimizer_step": str(steps), "env_steps": str(int(model.num_timesteps))}
    return assemble(
        {"ppo": PPO, "a2c": A2C, "trpo": TRPO}[kind],
        mapping.spec,
        config,
        {**mapping.get(), **moments},
        table,
        arguments,
    )


def _from_sb3_file(path: Path, arguments: dict[str, Any]) -> Any:
    if path.exists() and not zipfile.is_zipfile(path):
        raise _native.FormatError(f"{path} is no zip file, which Stable-Baselines3's save writes")
    return _from_sb3_zip(path, str(path), arguments)


def _entries(archive: zipfile.ZipFile, path: str) -> dict[str, Any]:
    """The settings in the file, which has networks beside them."""
    for name in ("data", "policy.pth"):
        if name not in archive.namelist():
            raise _native.FormatError(f"{path} has no entry {name!r}, which Stable-Baselines3's save writes")
    try:
        data = json.loads(archive.read("data"))
    except ValueError as error:
        raise _native.FormatError(f"{path}: its entry 'data' is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise _native.FormatError(f"{path}: its entry 'data' is a {type(data).__name__}, expected the settings by their names")
    return data


def _from_sb3_zip(file: Path | io.BytesIO, path: str, arguments: dict[str, Any]) -> Any:
    with zipfile.ZipFile(file) as archive:
        data = _entries(archive, path)
        if "rollout_buffer_class" not in data:
            found = read(archive, data)
            classes: dict[str, type[Algorithm]] = {"dqn": DQN, "ddpg": DDPG, "td3": TD3, "sac": SAC}
            return assemble(classes[found.kind], found.spec, found.config, found.tensors, found.table, arguments)
        policy = load(io.BytesIO(archive.read("policy.pth")))
        optimizer = load(io.BytesIO(archive.read("policy.optimizer.pth")))
    kind: type[Algorithm] = TRPO if "cg_max_steps" in data else PPO if "clip_range" in data else A2C
    refuse_sde(bool(data.get("use_sde")))
    actor = [
        *linear(policy, r"mlp_extractor\.policy_net\.#"),
        (array(policy["action_net.weight"]), array(policy["action_net.bias"])),
    ]
    critic = [
        *linear(policy, r"mlp_extractor\.value_net\.#"),
        (array(policy["value_net.weight"]), array(policy["value_net.bias"])),
    ]
    tensors = {**named("policy", actor), **named("value", critic)}
    if "log_std" in policy:
        tensors["log_std"] = array(policy["log_std"])
    theirs = sum(int(np.size(array(value))) for value in policy.values())
    if theirs != sum(value.size for value in tensors.values()):
        raise UnsupportedModel(
            f"{path} has parts beside actor and critic that wgpo does not know: {', '.join(sorted(policy))}"
        )
    spec = networks(actor, critic, activation(data, "Tanh"), head_of(data["action_space"], int(actor[-1][0].shape[0])))
    moments, steps = _sb3_moments(policy, optimizer)
    config = _sb3_settings(kind.algorithm, data, optimizer, spec)
    table = {"optimizer_step": str(steps), "env_steps": str(int(data["num_timesteps"]))}
    return assemble(kind, spec, config, {**tensors, **moments}, table, arguments)


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
                moments[f"optimizer.{ours}.{names[key]}"] = array(own[theirs])
        if "step" in own:
            steps = max(steps, int(own["step"]))
    return moments, steps


def _sb3_settings(
    algorithm: str, data: dict[str, Any], optimizer: dict[str, Any], spec: dict[str, Any]
) -> dict[str, Any]:
    preset = "sb3-contrib" if algorithm == "trpo" else "sb3"
    given: dict[str, Any] = {"num_envs": data["n_envs"], "num_steps": data["n_steps"], "anneal_lr": False}
    given |= {key: data[key] for key in ("gamma", "gae_lambda")}
    rate = constant(data["learning_rate"], "learning_rate") or constant(data.get("lr_schedule"), "lr_schedule")
    if rate is not None:
        given["learning_rate"] = rate
    if algorithm != "trpo":
        given |= {key: data[key] for key in ("ent_coef", "vf_coef", "max_grad_norm")}
    given["norm_adv"] = "minibatch" if data["normalize_advantage"] else "none"
    if algorithm == "ppo":
        given |= {"minibatch_size": data["batch_size"], "update_epochs": data["n_epochs"]}
        clip = constant(data["clip_range"], "clip_range")
        if clip is not None:
            given["clip_coef"] = clip
        clip_vf = constant(data["clip_range_vf"], "clip_range_vf") if data["clip_range_vf"] is not None else None
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
    given |= optimizer_settings_of(data, optimizer["param_groups"])
    base = _native.default_config(algorithm, preset, spec["head"]["kind"] != "gaussian")
    return config_with(algorithm, base, given)
