"""wgpo: policy-optimisation reinforcement learning on any GPU, or on the CPU.

Train in Gymnasium's environments::

    import gymnasium as gym, wgpo

    envs = gym.make_vec("CartPole-v1", num_envs=8)
    model = wgpo.PPO(envs, seed=1)
    model.learn(100_000, progress_bar=True, log_dir="runs/cartpole")
    model.save("cartpole.safetensors")

Other doors: :class:`Learner` for a loop of your own, :mod:`wgpo.ops` for single formulas on arrays, :func:`crosscheck` to compare another trainer's
update with ours, :func:`wgpo.sb3.accelerate` to put our update into Stable-Baselines3, :func:`from_sb3`, :func:`to_sb3`, :func:`from_cleanrl`, :func:`from_rsl_rl` and :func:`to_onnx` for policies of others.
"""

from __future__ import annotations

from . import _native, sb3
from ._base import Algorithm, Callback, Progress
from ._crosscheck import CrossCheck, Row, crosscheck
from ._evaluation import Evaluation
from ._from_others import from_cleanrl, from_rsl_rl
from ._from_sb3 import from_sb3
from ._native import (
    ConfigError,
    DataError,
    DeviceError,
    DtypeError,
    EnvError,
    FileError,
    FormatError,
    InternalError,
    Learner,
    LimitError,
    OffPolicyLearner,
    OutOfMemoryError,
    ShapeError,
    Trainer,
    WgpoError,
    algorithms,
    choose_backend,
    config_keys,
    config_with,
    default_config,
    default_spec,
    env_info,
    main,
    ops,
    presets,
    tuned,
)
from ._off_policy import DDPG, DQN, SAC, TD3
from ._on_policy import A2C, NPG, PPO, TRPO, PPOPenalty
from ._onnx import to_onnx
from ._sb3_model import UnsupportedModel
from ._spaces import SpaceError
from ._to_sb3 import to_sb3

__version__: str = _native.__version__

__all__ = [
    "A2C",
    "DDPG",
    "DQN",
    "NPG",
    "PPO",
    "SAC",
    "TD3",
    "TRPO",
    "Algorithm",
    "Callback",
    "ConfigError",
    "CrossCheck",
    "DataError",
    "DeviceError",
    "DtypeError",
    "EnvError",
    "Evaluation",
    "FileError",
    "FormatError",
    "InternalError",
    "Learner",
    "LimitError",
    "OffPolicyLearner",
    "OutOfMemoryError",
    "PPOPenalty",
    "Progress",
    "Row",
    "ShapeError",
    "SpaceError",
    "Trainer",
    "UnsupportedModel",
    "WgpoError",
    "algorithms",
    "choose_backend",
    "config_keys",
    "config_with",
    "crosscheck",
    "default_config",
    "default_spec",
    "env_info",
    "from_cleanrl",
    "from_rsl_rl",
    "from_sb3",
    "main",
    "ops",
    "presets",
    "sb3",
    "to_onnx",
    "to_sb3",
    "tuned",
]
