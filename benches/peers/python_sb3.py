"""The Python package beside Stable-Baselines3, on the CPU: steps a second of `learn`, and time of an update.

`pip install ./python stable-baselines3==2.9.2`, then `python benches/peers/python_sb3.py [--steps N] [--turns N]`. Both have the same settings (Stable-Baselines3's
own, 8 synchronous CartPole-v1, 128 steps a rollout) and all threads that they take by themselves. Each number is the median of the turns, which take
turns: one of ours, one of theirs.
"""

import argparse
import json
import os
import statistics
import time

import gymnasium as gym
import numpy as np
import stable_baselines3
import torch
import wgpo
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

ENVS, STEPS = 8, 128


def ours(seed, backend):
    envs = SyncVectorEnv([lambda: gym.make("CartPole-v1")] * ENVS, autoreset_mode=AutoresetMode.SAME_STEP)
    return wgpo.PPO(envs, preset="sb3", num_steps=STEPS, seed=seed, backend=backend, verbose=0)


def theirs(seed):
    return PPO("MlpPolicy", make_vec_env("CartPole-v1", ENVS, seed=seed), n_steps=STEPS, seed=seed, device="cpu")


def timed(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def line(what, unit, our, their, better):
    our, their = statistics.median(our), statistics.median(their)
    row = {"what": what, "unit": unit, "wgpo": round(our, 3), "sb3": round(their, 3), "times": round(better(our, their), 2)}
    print(json.dumps(row), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20_480)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--backend", default="cpu")
    args = parser.parse_args()
    versions = {"stable-baselines3": stable_baselines3.__version__, "torch": torch.__version__, "wgpo": wgpo.__version__}
    print(json.dumps({**versions, "cores": os.cpu_count(), "threads": torch.get_num_threads()}), flush=True)

    learn = [[], []]
    for turn in range(args.turns):
        learn[0].append(args.steps / timed(lambda turn=turn: ours(turn, args.backend).learn(args.steps)))
        learn[1].append(args.steps / timed(lambda turn=turn: theirs(turn).learn(args.steps)))
    line("learn, CartPole-v1, 8 environments", "steps/s", *learn, lambda our, their: our / their)

    one, other = ours(0, args.backend), theirs(0)
    window = one.collect()
    one.learner.update(window)
    other.learn(ENVS * STEPS)
    update = [[], []]
    for _ in range(2 * args.turns):
        update[0].append(1e3 * timed(lambda: one.learner.update(window)))
        update[1].append(1e3 * timed(other.train))
    line("update, 1024 rows by 64, 10 epochs, 64-64", "ms", *update, lambda our, their: their / our)

    fast = wgpo.sb3.accelerate(theirs(0), backend=args.backend)
    fast.learn(ENVS * STEPS)
    inside = [1e3 * timed(fast.train) for _ in range(2 * args.turns)]
    line("train() with wgpo.sb3.accelerate", "ms", inside, update[1], lambda our, their: their / our)

    obs = np.zeros((ENVS, 4), np.float32)
    act = [1e6 * timed(lambda: [one.learner.act(obs) for _ in range(200)]) / 200 for _ in range(args.turns)]
    given = torch.zeros(ENVS, 4)
    with torch.no_grad():
        their = [1e6 * timed(lambda: [other.policy(given) for _ in range(200)]) / 200 for _ in range(args.turns)]
    line("act, 8 rows", "µs", act, their, lambda our, their: their / our)


if __name__ == "__main__":
    main()
