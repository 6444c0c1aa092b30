"""What other libraries call our settings."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from . import _native

#: Stable-Baselines3's words for settings that have CleanRL's here.
THEIRS = {
    "n_steps": "num_steps",
    "batch_size": "minibatch_size",
    "n_epochs": "update_epochs",
    "clip_range": "clip_coef",
    "clip_range_vf": "clip_coef_vf",
    "cg_max_steps": 'trust_region={"cg_iterations": …}',
    "cg_damping": 'trust_region={"damping": …}',
    "sub_sampling_factor": 'trust_region={"subsample": …}',
    "n_critic_updates": "update_epochs",
    "normalize_advantage": "norm_adv",
    "train_freq": "train_frequency",
    "policy_delay": "policy_frequency",
    "exploration_initial_eps": "start_e",
    "exploration_final_eps": "end_e",
    "policy_kwargs": "hidden=[…] and activation=…",
    "net_arch": "hidden",
    "n_envs": "num_envs",
    "device": "backend",
}


def check_settings(algorithm: str, settings: dict[str, Any]) -> None:
    """Refuses Stable-Baselines3's word where wgpo has another for the same setting.

    Raises:
        ConfigError: which is a ``ValueError``. Other unknown words are refused by the library, which names the nearest.
    """
    for key in settings:
        if key in THEIRS and key not in _native.config_keys(algorithm):
            raise _native.ConfigError(f"{key}: there is no such setting; it is {THEIRS[key]} here")


#: Activations of hidden layers.
ACTIVATIONS = ("identity", "tanh", "relu", "elu", "silu", "gelu_tanh", "gelu_erf")


def check_networks(envs: Any, hidden: Any, activation: Any) -> None:
    """Refuses what Stable-Baselines3 calls a policy, widths that are none, and activations that there are not.

    Raises:
        ConfigError: with what was expected.
    """
    if isinstance(envs, str) and envs.endswith("Policy"):
        raise _native.ConfigError(
            f"envs: is {envs!r}; there are no policies by name here: envs comes first, then hidden=[64, 64]"
        )
    whole = isinstance(hidden, (list, tuple)) and all(
        isinstance(width, Integral) and int(width) >= 1 for width in hidden
    )
    if hidden is not None and not whole:
        raise _native.ConfigError(
            f"hidden: is {hidden!r}, expected a list of widths, each at least 1, such as [64, 64]"
        )
    if activation is not None and activation not in ACTIVATIONS:
        raise _native.ConfigError(f"activation: is {activation!r}, expected one of {', '.join(ACTIVATIONS)}")


def whole_steps(total_timesteps: Any) -> int:
    """``total_timesteps`` as a whole number; 1e5 is one.

    Raises:
        ConfigError: of anything else.
    """
    number = isinstance(total_timesteps, (int, float, Integral)) and not isinstance(total_timesteps, bool)
    if not number or total_timesteps != total_timesteps // 1 or total_timesteps <= 0:
        raise _native.ConfigError(f"total_timesteps is {total_timesteps!r}, must be at least 1, a whole number")
    return int(total_timesteps)
