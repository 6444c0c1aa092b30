"""Golden cases of kind `reward_scaling` from Gymnasium's own `NormalizeReward` wrappers, in each way of resetting.

    python -m venv venv && venv/bin/pip install gymnasium==1.4.0 numpy==2.4.6 safetensors==0.8.0
    venv/bin/python gymnasium_reward.py FOLDER

The wrappers run as they are, round environments that give scripted rewards and flags; only the vector wrapper's float32 array of
returns is made float64, so that a float64 oracle can be held to it.
"""

import pathlib
import sys

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from safetensors.numpy import save_file

PINNED = ("1.4.0", "2.4.6")
STEPS, GAMMA, EPSILON = 40, 0.9, 1e-8


class Scripted(gymnasium.Env):
    """Gives what a list says, step by step; a reset takes nothing from it."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, seed):
        random = np.random.default_rng(seed)
        self.rewards = random.normal(1.0, 2.0, STEPS).astype(np.float32).astype(float)
        flags = random.choice(4, STEPS, p=[0.7, 0.13, 0.13, 0.04])
        self.terminated, self.truncated = (flags & 1) == 1, (flags & 2) == 2
        self.at = 0

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        at, self.at = self.at, self.at + 1
        flags = bool(self.terminated[at]), bool(self.truncated[at])
        return np.zeros(1, np.float32), self.rewards[at], *flags, {}


class Raw(gymnasium.vector.VectorWrapper):
    """Keeps the rewards as the environments gave them."""

    def step(self, actions):
        result = super().step(actions)
        self.raw = result[1].copy()
        return result


def overhear(statistics):
    """A list of what the statistics take in."""
    taken, update = [], statistics.update
    statistics.update = lambda numbers: (taken.append(np.array(numbers, dtype=np.float64)), update(numbers))
    return taken


def vector(mode, count):
    envs = [lambda seed=seed: Scripted(seed) for seed in range(5, 5 + count)]
    raw = Raw(SyncVectorEnv(envs, autoreset_mode=mode))
    wrapper = gymnasium.wrappers.vector.NormalizeReward(raw, gamma=GAMMA, epsilon=EPSILON)
    wrapper.accumulated_reward = wrapper.accumulated_reward.astype(np.float64)
    taken = overhear(wrapper.return_rms)
    wrapper.reset(seed=0)
    rows, before = [], np.zeros(count, dtype=bool)
    for _ in range(STEPS):
        _, scaled, terminated, truncated, _ = wrapper.step(np.zeros(count, dtype=np.int64))
        valid = np.ones(count, dtype=bool) if mode == AutoresetMode.SAME_STEP else ~before
        returns = np.zeros(count)
        returns[valid] = taken.pop()
        rows.append((raw.raw, terminated, truncated, valid, scaled, returns, wrapper.return_rms))
        rows[-1] = rows[-1][:6] + statistics(wrapper)
        before = terminated | truncated
    return rows


def single():
    wrapper = gymnasium.wrappers.NormalizeReward(Scripted(5), gamma=GAMMA, epsilon=EPSILON)
    taken = overhear(wrapper.return_rms)
    wrapper.reset(seed=0)
    rows = []
    for at in range(STEPS):
        _, scaled, terminated, truncated, _ = wrapper.step(0)
        raw = wrapper.env.rewards[at]
        rows.append(([raw], [terminated], [truncated], [True], [scaled], taken.pop()) + statistics(wrapper))
        if terminated or truncated:
            wrapper.reset()
    return rows


def statistics(wrapper):
    rms = wrapper.return_rms
    return float(rms.mean), float(rms.var), float(rms.count)


def save(folder, case, source, reset, rows):
    column = lambda index, dtype: np.ascontiguousarray(np.array([row[index] for row in rows], dtype=dtype))
    outputs = ["scaled", "discounted_return", "mean", "var", "count"]
    tensors = {f"out.{name}": column(4 + i, np.float64) for i, name in enumerate(outputs)}
    tensors |= {"in.rewards": column(0, np.float32)}
    tensors |= {f"in.{name}": column(1 + i, np.int32) for i, name in enumerate(["terminated", "truncated", "valid"])}
    if tensors["in.valid"].all():
        del tensors["in.valid"]
    metadata = {
        "kind": "reward_scaling",
        "case": case,
        "T": str(len(rows)),
        "N": str(tensors["in.rewards"].shape[1]),
        "gamma": str(GAMMA),
        "epsilon": str(EPSILON),
        "clip_reward": "none",
        "initial_count": "0.0001",
        "reset": reset,
        "source": f"gymnasium {gymnasium.__version__} {source}, float64 returns",
        "tolerance": "float32: |got-want| <= atol + rtol*|want| with the pair in tolerance.<tensor>; integers exact",
        **{f"tolerance.out.{name}": "rtol=1e-05,atol=2.0e-06" for name in outputs},
    }
    save_file(tensors, folder / f"reward_scaling.{case}.safetensors", metadata=metadata)


def main():
    folder = pathlib.Path(sys.argv[1])
    versions = (gymnasium.__version__, np.__version__)
    assert versions == PINNED, f"gymnasium and numpy are {versions}, the cases are of {PINNED}"
    same, following = AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP
    name = "wrappers.vector.NormalizeReward"
    save(folder, "gymnasium_same_step", f"{name}, SAME_STEP", "at_termination_after_done", vector(same, 3))
    save(folder, "gymnasium_next_step", f"{name}, NEXT_STEP", "at_termination", vector(following, 3))
    save(folder, "gymnasium_single", "wrappers.NormalizeReward", "at_termination", single())


main()
