"""Files of Stable-Baselines3's ``DQN``, ``DDPG``, ``TD3`` and ``SAC``."""

from __future__ import annotations

import base64
import io
import pickletools
import zipfile
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _native
from ._foreign import array, linear, load, named
from ._sb3_model import UnsupportedModel, refuse_sde
from ._sb3_off_policy import spec_of
from ._sb3_words import activation, constant, head_of, optimizer_settings_of
from ._spaces import Array
from ._spec import config_with

#: A layer: weight and bias.
Layers = list[tuple[Array, Array]]


@dataclass
class Found:
    """What a file holds, in our words."""

    kind: str
    spec: dict[str, Any]
    config: dict[str, Any]
    #: Weights, targets and moments.
    tensors: dict[str, Array] = field(default_factory=dict)
    #: Counts, and the temperature with its moments.
    table: dict[str, str] = field(default_factory=dict)


def kind_of_file(data: dict[str, Any], policy: dict[str, Any]) -> str:
    """``"dqn"``, …, by the settings that only that class has."""
    if "exploration_fraction" in data:
        return "dqn"
    if "ent_coef" in data:
        return "sac"
    if "policy_delay" in data:
        return "td3" if "critic.qf1.0.weight" in policy else "ddpg"
    raise UnsupportedModel("the file is of no algorithm that wgpo knows, expected PPO, A2C, TRPO, DQN, DDPG, TD3 or SAC")


def read(archive: zipfile.ZipFile, data: dict[str, Any]) -> Found:
    """The file's networks, settings and counters. Texts and tensors are read, no code in it runs."""
    refuse_sde(bool(data.get("use_sde")))

    def part(name: str) -> Any:
        return load(io.BytesIO(archive.read(name)))

    policy = part("policy.pth")
    kind = kind_of_file(data, policy)
    nets, targets, names = _networks(kind, policy)
    theirs = sum(int(np.size(array(value))) for value in policy.values())
    ours = sum(weight.size + bias.size for found in (nets, targets) for layers in found.values() for weight, bias in layers)
    if ours != theirs:
        raise UnsupportedModel(
            f"the file has parts beside actor and critics that wgpo's {kind} has not: {', '.join(sorted(policy))}"
        )
    outputs = int(nets["policy"][-1][0].shape[0]) // (2 if kind == "sac" else 1)
    head = head_of(data["action_space"], outputs)
    if kind != "dqn" and "bounds" not in head:
        raise UnsupportedModel(f"the action space has no bounds, which {kind} needs")
    widths = {name: [int(weight.shape[0]) for weight, _ in layers] for name, layers in nets.items()}
    spec = spec_of(kind, int(nets["policy"][0][0].shape[1]), widths, activation(data, "ReLU"), head)
    files = {"policy": "policy.optimizer.pth"} if kind == "dqn" else {"actor": "actor.optimizer.pth", "critic": "critic.optimizer.pth"}
    optimizers = {owner: part(file) for owner, file in files.items()}
    variables = part("pytorch_variables.pth") or {} if "pytorch_variables.pth" in archive.namelist() else {}
    temperature = part("ent_coef_optimizer.pth") if "ent_coef_optimizer.pth" in archive.namelist() else None
    settings = _settings(kind, data) | optimizer_settings_of(data, next(iter(optimizers.values()))["param_groups"])
    if kind == "sac":
        settings |= _temperature_settings(data, variables)
    base = _native.default_config(kind, "sb3", kind == "dqn")
    found = Found(kind, spec, config_with(kind, base, settings))
    for prefix, layers in (("", nets), ("target.", targets)):
        for name, own in layers.items():
            found.tensors |= {prefix + key: value for key, value in named(name, own).items()}
    steps = {owner: _moments(found, optimizer, names[owner]) for owner, optimizer in optimizers.items()}
    found.table = {
        "env_steps": str(int(data["num_timesteps"])),
        "gradient_steps": str(int(data["_n_updates"])),
        "optimizer_step": str(steps["policy" if kind == "dqn" else "critic"]),
    }
    if kind != "dqn":
        found.table["policy_optimizer_step"] = str(steps["actor"])
    if temperature is not None and "log_ent_coef" in variables:
        own = temperature["state"].get(0, {})
        found.table["log_alpha"] = repr(float(array(variables["log_ent_coef"]).reshape(())))
        found.table["alpha_optimizer_step"] = str(int(own.get("step", 0)))
        for key in ("exp_avg", "exp_avg_sq"):
            found.table[f"alpha_{key}"] = repr(float(own.get(key, 0.0)))
    return found


def _networks(kind: str, policy: dict[str, Any]) -> tuple[dict[str, Layers], dict[str, Layers], dict[str, dict[str, tuple[str, int]]]]:
    """Networks and targets by their names here; of each optimiser our name of its tensors, and which part of ours they are."""
    if kind == "dqn":
        nets = {"policy": linear(policy, r"q_net\.q_net\.#")}
        return _checked(nets), {"policy": linear(policy, r"q_net_target\.q_net\.#")}, {"policy": _names(policy, "q_net.", "policy")}
    critics = 1 if kind == "ddpg" else 2
    if f"critic.qf{critics}.0.weight" in policy or f"critic.qf{critics - 1}.0.weight" not in policy:
        count = len({key.split(".")[1] for key in policy if key.startswith("critic.qf")})
        raise UnsupportedModel(f"the file has {count} critics (n_critics), wgpo's {kind} has {critics}")
    if kind == "sac":
        mean, deviation = (linear({f"0.{one}": policy[f"actor.{name}.{one}"] for one in ("weight", "bias")}, "#")[0] for name in ("mu", "log_std"))
        both = (np.concatenate([mean[0], deviation[0]]), np.concatenate([mean[1], deviation[1]]))
        nets = {"policy": [*linear(policy, r"actor\.latent_pi\.#"), both]}
        targets = {}
    else:
        nets = {"policy": linear(policy, r"actor\.mu\.#")}
        targets = {"policy": linear(policy, r"actor_target\.mu\.#")}
    names = {"actor": _names(policy, "actor.", "policy"), "critic": {}}
    for index in range(critics):
        name = f"q{index + 1}"
        nets[name] = linear(policy, rf"critic\.qf{index}\.#")
        targets[name] = linear(policy, rf"critic_target\.qf{index}\.#")
        names["critic"] |= _names(policy, f"critic.qf{index}.", name)
    return _checked(nets), targets, names


def _checked(nets: dict[str, Layers]) -> dict[str, Layers]:
    for name, layers in nets.items():
        if not layers:
            raise UnsupportedModel(f"the file has no fully connected layers of {name}")
    return nets


def _names(policy: dict[str, Any], prefix: str, name: str) -> dict[str, tuple[str, int]]:
    """In the file's order, of each tensor that begins with ``prefix`` our name, and its place among those that make it up."""
    keys = [key for key in policy if key.startswith(prefix)]
    stems = list(dict.fromkeys(key.rsplit(".", 1)[0] for key in keys))
    # SAC's mean and deviation are one layer here.
    last = {"actor.mu", "actor.log_std"} if "actor.log_std" in stems else set()
    hidden = [stem for stem in stems if stem not in last]
    place = {stem: (index, 0) for index, stem in enumerate(hidden)}
    place |= {stem: (len(hidden), int(stem == "actor.log_std")) for stem in last}
    found = {}
    for key in keys:
        stem, part = key.rsplit(".", 1)
        found[key] = (f"{name}.{place[stem][0]}.{part}", place[stem][1])
    return found


def _moments(found: Found, optimizer: dict[str, Any], names: dict[str, tuple[str, int]]) -> int:
    """Takes an optimiser's moments into ``found``; the steps that it has taken."""
    parts: dict[str, dict[int, Array]] = {}
    steps = 0
    for index, (name, place) in enumerate(names.values()):
        own = optimizer["state"].get(index, {})
        for key in ("exp_avg", "exp_avg_sq"):
            if key in own:
                parts.setdefault(f"optimizer.{key}.{name}", {})[place] = array(own[key])
        if "step" in own:
            steps = max(steps, int(own["step"]))
    found.tensors |= {name: np.concatenate([own[place] for place in sorted(own)]) for name, own in parts.items()}
    return steps


def _settings(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    envs = int(data["n_envs"])
    given: dict[str, Any] = {"num_envs": envs, "n_steps": int(data.get("n_steps", 1))}
    given |= {key: data[key] for key in ("buffer_size", "batch_size", "learning_starts", "tau", "gamma")}
    every = _frequency(data["train_freq"])
    if every is not None:
        # Steps of all environments here, calls of ``step`` there; -1 is as many gradient steps as steps.
        given["train_frequency"] = every * envs
        steps = int(data["gradient_steps"])
        given["gradient_steps"] = every * envs if steps == -1 else steps
    rate = constant(data["learning_rate"], "learning_rate") or constant(data.get("lr_schedule"), "lr_schedule")
    if rate is not None:
        given["learning_rate"] = rate
        if kind != "dqn":
            given["policy_lr"] = rate
        if kind == "sac":
            given["alpha_lr"] = rate
    if kind == "dqn":
        given |= {"start_e": data["exploration_initial_eps"], "end_e": data["exploration_final_eps"]}
        given |= {key: data[key] for key in ("exploration_fraction", "max_grad_norm")}
        if every is not None:
            moved = int(data["target_update_interval"]) * given["gradient_steps"] / given["train_frequency"]
            given["target_network_frequency"] = max(1, round(moved))
        return given
    if kind == "sac":
        return given | {"target_network_frequency": int(data["target_update_interval"])}
    noise = {"policy_noise": data["target_policy_noise"], "noise_clip": data["target_noise_clip"]}
    given |= {"policy_frequency": int(data["policy_delay"])} | (noise if kind == "td3" else {})
    sigma = _sigma(data.get("action_noise"))
    return given if sigma is None else given | {"exploration_noise": sigma}


def _temperature_settings(data: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
    coef = data["ent_coef"]
    if isinstance(coef, str):
        first = float(coef.partition("_")[2] or 1.0)
        return {"autotune": True, "alpha": first, "target_entropy": float(data["target_entropy"])}
    return {"autotune": False, "alpha": float(coef)}


def _frequency(entry: Any) -> int | None:
    """Steps between two trainings. The file has them as a pickle, whose constants are read without running it; episodes have no equal."""
    if isinstance(entry, int):
        return entry
    constants = [(code.name, value) for code, value, _ in pickletools.genops(base64.b64decode(entry[":serialized:"]))]
    numbers = [value for name, value in constants if name.startswith("BININT") and isinstance(value, int)]
    return numbers[0] if len(numbers) == 1 and "step" in [value for _, value in constants] else None


def _sigma(noise: Any) -> float | None:
    """The deviation of Gaussian exploration that is the same in each dimension."""
    if not isinstance(noise, dict) or "NormalActionNoise" not in str(noise.get(":type:")):
        return None
    numbers = {float(one) for one in str(noise.get("_sigma", "")).replace("[", " ").replace("]", " ").split()}
    return numbers.pop() if len(numbers) == 1 else None
