"""Models for Stable-Baselines3's ``DQN``, ``DDPG``, ``TD3`` and ``SAC``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._base import Algorithm
from ._files import read_bytes
from ._sb3_model import UnsupportedModel
from ._sb3_off_policy import SAC_LIMIT, OffPolicyMap
from ._spaces import Array


def made_from(model: Algorithm, env: Any, activation: Any, optimizer: dict[str, Any]) -> Any:
    """A model of the same name there, with the weights, targets, settings and moments of ``model``, in ``env``."""
    import stable_baselines3 as sb3

    config, head, kind = model.config, model.spec["head"], model.algorithm
    _refuse(kind, config, head)
    hidden = {
        branch["name"]: [layer["outputs"] for layer in branch["layers"][:-1]] for branch in model.spec["branches"]
    }
    networks: Any = hidden["policy"] if kind == "dqn" else {"pi": hidden["policy"], "qf": hidden["q1"]}
    envs = int(config["num_envs"])
    # Calls of ``step`` there, steps of all environments here.
    every = max(1, int(config["train_frequency"]) // envs)
    kwargs: dict[str, Any] = {
        "policy_kwargs": {"net_arch": networks, "activation_fn": activation, **optimizer},
        "device": "cpu",
        "learning_rate": config["learning_rate"],
        "gamma": config["gamma"],
        "buffer_size": int(config["buffer_size"]),
        "batch_size": int(config["batch_size"]),
        "learning_starts": int(config["learning_starts"]),
        "tau": config["tau"],
        "train_freq": every,
        "gradient_steps": int(config["gradient_steps"]),
        "n_steps": int(config["n_steps"]),
    }
    if kind == "dqn":
        moved = int(config["target_network_frequency"]) * int(config["train_frequency"]) / int(config["gradient_steps"])
        kwargs |= {
            "target_update_interval": max(1, round(moved)),
            "exploration_initial_eps": config["start_e"],
            "exploration_final_eps": config["end_e"],
            "exploration_fraction": config["exploration_fraction"],
            "max_grad_norm": config.get("max_grad_norm") or math.inf,
        }
    elif kind == "sac":
        first = config["alpha"]
        kwargs |= {
            "ent_coef": f"auto_{first}" if config["autotune"] else first,
            "target_entropy": config.get("target_entropy") or "auto",
            "target_update_interval": int(config["target_network_frequency"]),
        }
    else:
        kwargs["action_noise"] = _noise(config, head)
        if kind == "td3":
            kwargs |= {
                "policy_delay": int(config["policy_frequency"]),
                "target_policy_noise": config["policy_noise"],
                "target_noise_clip": config["noise_clip"],
            }
    made = getattr(sb3, kind.upper())("MlpPolicy", env, **kwargs)
    _fill(made, kind, model)
    return made


def _refuse(kind: str, config: dict[str, Any], head: dict[str, Any]) -> None:
    for wrong, what in (
        (config.get("double"), "double Q-learning (double)"),
        (config.get("dueling"), "a dueling network (dueling)"),
        (kind == "dqn" and config.get("td_loss") != "huber", f"the loss {config.get('td_loss')} (td_loss)"),
        (kind == "sac" and head["kind"] == "categorical", "a SAC of choices"),
        (kind == "sac" and (head.get("std") or {}).get("limit") != SAC_LIMIT, "another limit of log σ than a clamp to [-20, 2]"),
        (kind == "ddpg" and config.get("policy_noise"), "noise on the target's action (policy_noise) in DDPG"),
        (kind == "ddpg" and config.get("policy_frequency") != 1, "a delay of the actor (policy_frequency) in DDPG"),
        (kind == "sac" and config.get("policy_frequency") != 1, "a delay of the actor (policy_frequency) in SAC"),
    ):
        if wrong:
            raise UnsupportedModel(f"the model has {what}, which Stable-Baselines3's {kind.upper()} has not")


def _noise(config: dict[str, Any], head: dict[str, Any]) -> Any:
    from stable_baselines3.common.noise import NormalActionNoise

    sigma, dims = float(config["exploration_noise"]), int(head["dims"])
    return NormalActionNoise(np.zeros(dims), np.full(dims, sigma)) if sigma > 0.0 else None


def _fill(made: Any, kind: str, model: Algorithm) -> None:
    """Weights, targets, moments and counters."""
    import torch

    mapping = OffPolicyMap(made, kind)
    tensors, found = read_bytes(model.learner.state(False))
    with torch.no_grad():
        for prefix, nets in (("", mapping.nets), ("target.", mapping.targets)):
            for net in nets:
                for name, group in net.tensors().items():
                    for tensor, value in zip(group, _parts(tensors[prefix + name], group), strict=True):
                        tensor.copy_(value)
    for net in mapping.nets:
        steps = int(found.table["policy_optimizer_step" if net.name == "policy" and kind != "dqn" else "optimizer_step"])
        if steps == 0:
            continue
        for name, group in net.tensors().items():
            own = [_parts(tensors[f"optimizer.{key}.{name}"], group) for key in ("exp_avg", "exp_avg_sq")]
            for tensor, first, second in zip(group, *own, strict=True):
                net.optimizer.state[tensor] = {"step": torch.tensor(float(steps)), "exp_avg": first, "exp_avg_sq": second}
    optimizer = getattr(made, "ent_coef_optimizer", None)
    if optimizer is not None:
        with torch.no_grad():
            made.log_ent_coef.fill_(float(found.table["log_alpha"]))
        if int(found.table["alpha_optimizer_step"]):
            own_state = {key: torch.full((1,), float(found.table[f"alpha_{key}"])) for key in ("exp_avg", "exp_avg_sq")}
            optimizer.state[made.log_ent_coef] = {"step": torch.tensor(float(found.table["alpha_optimizer_step"])), **own_state}
    made._n_updates = int(found.table["gradient_steps"])


def _parts(value: Array, group: list[Any]) -> list[Any]:
    """``value`` cut along its first dimension into tensors like those of ``group``."""
    import torch

    return [part.clone().reshape(one.shape) for part, one in zip(
        torch.split(torch.from_numpy(np.array(value, np.float32)), [int(one.shape[0]) for one in group]), group, strict=True
    )]
