"""What other libraries call our settings."""

from __future__ import annotations

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
