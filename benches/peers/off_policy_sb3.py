"""Stable-Baselines3's own `train`, on the CPU: the off-policy rows of benches/off_policy.rs.

`python off_policy_sb3.py [WORD…]` prints a line of JSON per row. A call is `train(gradient_steps=2, batch_size=256)` on a full buffer; what is printed
is one step's share. DQN's target moves in SB3 with the environment's steps and not in `train`, so its row leaves that out.
"""

import json
import os

import gymnasium as gym
import numpy as np
import stable_baselines3
import torch
from stable_baselines3 import DQN, SAC, TD3
from stable_baselines3.common.logger import Logger

import cases
from cases import BUFFER, NOISE, NOISE_CLIP, Q_LR, TAU


class Nowhere(gym.Env):
    """Only its spaces are looked at."""

    def __init__(self, name, discrete):
        obs, _, actions, _ = cases.CRITICS[name]
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (obs,), np.float32)
        self.action_space = gym.spaces.Discrete(actions) if discrete else gym.spaces.Box(-1, 1, (actions,), np.float32)

    def reset(self, *, seed=None, options=None):
        return np.zeros(self.observation_space.shape, np.float32), {}

    def step(self, action):
        raise NotImplementedError


def learner(kind, name):
    _, hidden, _, rows = cases.CRITICS[name]
    discrete = kind is DQN
    special = {DQN: {}, SAC: {}, TD3: {"target_policy_noise": NOISE, "target_noise_clip": NOISE_CLIP}}[kind]
    # SB3 has tanh and ReLU by algorithm; here all have ReLU.
    architecture = {"net_arch": list(hidden), "activation_fn": torch.nn.ReLU}
    model = kind(
        "MlpPolicy", Nowhere(name, discrete), learning_rate=Q_LR, buffer_size=BUFFER, tau=TAU, batch_size=rows,
        policy_kwargs=architecture, device="cpu", seed=1, **special,
    )
    model.set_logger(Logger(folder=None, output_formats=[]))
    buffer, (obs, next_obs, action, reward, terminated) = model.replay_buffer, cases.transitions(name, discrete)
    buffer.observations[:, 0], buffer.next_observations[:, 0], buffer.rewards[:, 0] = obs, next_obs, reward
    buffer.actions[:, 0], buffer.dones[:, 0], buffer.full = action.reshape(BUFFER, -1), terminated, True
    return lambda: model.train(gradient_steps=2, batch_size=rows)


if __name__ == "__main__":
    print(json.dumps({"peer": "stable-baselines3", "version": stable_baselines3.__version__, "cores": os.cpu_count()}))
    for kind in (SAC, TD3, DQN):
        for name in cases.CRITICS:
            row = f"{kind.__name__.lower()}_update/{name}"
            if cases.wanted(row):
                cases.report(row, learner(kind, name), share=2)
