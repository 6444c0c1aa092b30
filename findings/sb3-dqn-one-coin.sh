#!/usr/bin/env bash
# DQN of Stable-Baselines3, QR-DQN of sb3-contrib and DQN of sbx toss one coin for a whole vector of environments: in a step either all of them act at
# random or none does. The share of random actions is right, but they come in blocks: with 16 environments and epsilon 0.05, 19 steps of 20
# explore nowhere, where a coin each would leave 44 % of steps so, and all exploration of a span of steps falls on the same few moments. Seen with
# stable-baselines3 2.9.2, sb3-contrib 2.9.2 and sbx-rl 0.28.0, 16 environments, 2,000 steps:
#   epsilon 0.05: all 16 explore in 5 % of steps and none in 95 %; a coin each: none in 44 %, all in 0 %
#   epsilon 0.5:  all 16 in 50 % and none in 50 %, never one to fifteen; a coin each: none in 0.0015 %, all in 0.0015 %
# Exit code 0 as long as it is so. Needs python3 with venv, and PyPI (PyTorch: some GB).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    stable-baselines3==2.9.2 sb3-contrib==2.9.2 sbx-rl==0.28.0 jax==0.10.2 jaxlib==0.10.2 torch==2.15.0 gymnasium==1.4.0 numpy==2.4.6
cd "$folder"
JAX_PLATFORMS=cpu venv/bin/python -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version
import gymnasium as gym
import numpy as np
import sb3_contrib
import sbx
import stable_baselines3
import torch
from stable_baselines3.common.vec_env import DummyVecEnv

torch.set_num_threads(1)
print(*(f"{name} {version(name)}" for name in ["stable-baselines3", "sb3-contrib", "sbx-rl"]))
ENVIRONMENTS, STEPS, ACTIONS = 16, 2000, 1000
taken = []


class Still(gym.Env):
    """Always shows the same, so that all greedy actions are one; has so many actions that a random one is another."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gym.spaces.Discrete(ACTIONS)

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        taken.append(int(action))
        return np.zeros(1, np.float32), 0.0, False, False, {}


right = True
for name, kind in [
    ("Stable-Baselines3's DQN", stable_baselines3.DQN), ("sb3-contrib's QR-DQN", sb3_contrib.QRDQN), ("sbx's DQN", sbx.DQN),
]:
    for epsilon in [0.05, 0.5]:
        # No gradient step is taken, so that the greedy action stays the same.
        agent = kind(
            "MlpPolicy", DummyVecEnv([Still] * ENVIRONMENTS), exploration_initial_eps=epsilon, exploration_final_eps=epsilon,
            learning_starts=0, train_freq=1, gradient_steps=0, buffer_size=1000, seed=0,
            policy_kwargs={"net_arch": [4]} | ({"n_quantiles": 2} if kind is sb3_contrib.QRDQN else {}),
        )
        taken.clear()
        agent.learn(ENVIRONMENTS * STEPS)
        actions = np.array(taken).reshape(-1, ENVIRONMENTS)[100:]
        greedy = np.bincount(actions.ravel()).argmax()
        explorers = (actions != greedy).sum(1)
        # A random action is the greedy one now and then.
        none, every = (explorers == 0).mean(), (explorers >= ENVIRONMENTS - 2).mean()
        some = max(0.0, 1 - none - every)
        print(f"{name}, epsilon {epsilon}: random actions {explorers.mean() / ENVIRONMENTS:.3f}; steps in which no environment explores {none:.3f} "
              f"(a coin each: {(1 - epsilon) ** ENVIRONMENTS:.5f}), some {some:.3f}, all {every:.3f}")
        right = right and abs(none - (1 - epsilon)) < 0.05 and abs(every - epsilon) < 0.05 and some < 1e-9
sys.exit(0 if right else "the behaviour has changed")
PYTHON
