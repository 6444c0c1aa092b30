"""Policies for Stable-Baselines3 and sb3-contrib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ._base import Algorithm
from ._files import read_bytes
from ._foreign import ACTIVATIONS
from ._sb3_model import OFF_POLICY, UnsupportedModel
from ._to_sb3_off_policy import made_from


def to_sb3(model: Algorithm, path: str | Path | None = None, env: Any = None) -> Any:
    """Stable-Baselines3's ``PPO``, ``A2C``, ``DQN``, ``DDPG``, ``TD3`` or ``SAC``, or sb3-contrib's ``TRPO``, with the weights, settings and moments of ``model``.

    Args:
        model: a :class:`wgpo.PPO`, :class:`wgpo.A2C`, … of one of these names.
        path: where its ``save`` is to write, if anywhere.
        env: an environment for it to train in; by default it only predicts.

    A falling learning rate or clip range is a ``LinearSchedule`` there, which each ``learn`` begins anew. What has no equal there is left out: the larger of
    two value losses (``value_loss="clip_max"``), falling ``ent_coef`` and ``clip_coef_vf``, ``norm_reward``, ``norm_value``, ``adaptive_lr``, ``dual_clip``,
    ``value_learning_rate``, rates of their own for SAC's and TD3's actor and temperature, ``exploration_hold``, and other formulas of advantages, gradient clipping and ε than PyTorch's and Stable-Baselines3's.

    Raises:
        UnsupportedModel: a shared trunk, masks, normalised observations, or a distribution or optimiser that it has not; double, dueling or squared-error
            DQN, SAC of choices, another limit of SAC's log σ than [-20, 2].
    """
    import gymnasium as gym
    import torch
    from stable_baselines3 import A2C as TheirA2C
    from stable_baselines3 import PPO as TheirPPO

    from ._sb3_model import PolicyMap, set_moments

    made: Any
    spec, config, head = model.spec, model.config, model.spec["head"]
    off_policy = model.algorithm in OFF_POLICY.values()
    if model.algorithm not in ("ppo", "a2c", "trpo") and not off_policy:
        raise UnsupportedModel(f"{model.algorithm} has no equal in Stable-Baselines3 that its policy could go to")
    if spec.get("trunk") or (spec.get("branches") and not off_policy):
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
    observation_space: Any = gym.spaces.Box(-np.inf, np.inf, (int(spec["obs_dim"]),), np.float32)
    own = model.envs.envs.single_observation_space if model.envs is not None else None
    if isinstance(own, gym.spaces.Box) and own.shape == observation_space.shape and own.dtype == np.float32:
        # So that ``load`` takes the environment that the model was trained in.
        observation_space = own

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
    activation = getattr(torch.nn, modules[spec["activation"]])
    if off_policy:
        made = made_from(model, Nowhere() if env is None else env, activation, _optimizer(config))
        made.num_timesteps = model.num_timesteps
        if path is not None:
            made.save(path)
        return made
    networks = {"pi": spec["policy_hidden"], "vf": spec["value_hidden"]}
    kwargs: dict[str, Any] = {
        "policy_kwargs": {
            "net_arch": networks,
            "activation_fn": activation,
            **_optimizer(config),
        },
        "device": "cpu",
        "n_steps": int(config["num_steps"]),
        "gamma": config["gamma"],
        "gae_lambda": config["gae_lambda"],
        "learning_rate": _falling(config["learning_rate"], bool(config.get("anneal_lr"))),
        "normalize_advantage": config["norm_adv"] != "none",
    }
    kwargs |= _their_settings(model.algorithm, config, head)
    if model.algorithm == "trpo":
        from sb3_contrib import TRPO as TheirTRPO

        made = TheirTRPO("MlpPolicy", Nowhere() if env is None else env, **kwargs)
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
    if head["kind"] == "tanh_gaussian" and head.get("bounds"):
        low, high = (np.asarray(head["bounds"][key], np.float32) for key in ("low", "high"))
        return spaces.Box(low, high)
    if head["kind"] == "gaussian" and not (head.get("std") or {}).get("from_state"):
        bounds = head.get("bounds") or {"low": [-np.inf] * head["dims"], "high": [np.inf] * head["dims"]}
        return spaces.Box(np.asarray(bounds["low"], np.float32), np.asarray(bounds["high"], np.float32))
    raise UnsupportedModel(f"the head is {head['kind']}, which Stable-Baselines3's MlpPolicy has not")


def _optimizer(config: dict[str, Any]) -> dict[str, Any]:
    import torch

    kind = config.get("optimizer", "adam")
    classes = {"adam": torch.optim.Adam, "adam_w": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}
    if kind not in classes:
        raise UnsupportedModel(f"the optimiser is {kind}, expected one of {', '.join(classes)}")
    own: dict[str, Any] = {"weight_decay": config.get("weight_decay", 0.0)}
    if kind == "rmsprop":
        own |= {"alpha": config["rmsprop_alpha"], "eps": config["rmsprop_eps"]}
    else:
        own |= {"betas": (config["adam_beta1"], config["adam_beta2"]), "eps": config["adam_eps"]}
    return {"optimizer_class": classes[kind], "optimizer_kwargs": own}


def _falling(value: float, falls: bool) -> Any:
    """``value``, or the schedule that falls from it to 0."""
    from stable_baselines3.common.utils import LinearSchedule

    return LinearSchedule(value, 0.0, 1.0) if falls else value


def _their_settings(algorithm: str, config: dict[str, Any], head: dict[str, Any]) -> dict[str, Any]:
    rows = int(config["num_envs"]) * int(config["num_steps"])
    size = config.get("minibatch_size") or max(2, rows // int(config.get("num_minibatches") or 1))
    if algorithm == "a2c":
        scale = config.get("vf_loss_scale", 1.0)
        return {
            "ent_coef": config["ent_coef"],
            "vf_coef": config["vf_coef"] * scale,
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
    clip = _falling(config["clip_coef"], config.get("clip_coef_schedule") == "linear")
    given = {"batch_size": int(size), "n_epochs": config["update_epochs"], "clip_range": clip}
    if config.get("value_loss") == "clip_only":
        given["clip_range_vf"] = config.get("clip_coef_vf") or config["clip_coef"]
    given |= {"ent_coef": config["ent_coef"], "vf_coef": config["vf_coef"] * config["vf_loss_scale"]}
    return given | {"max_grad_norm": config.get("max_grad_norm") or float("inf"), "target_kl": config.get("target_kl")}
