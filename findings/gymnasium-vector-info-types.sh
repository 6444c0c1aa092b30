#!/usr/bin/env bash
# Gymnasium 1.4.0 (NumPy 2.4.6): a number in `info` of a vector environment gets the type of the first sub-environment that reports it in that
# step, and the others are cut to it. So a metric that one environment reports as 0 or True and the others as fractions is lost,
# and the mask `_x` still says that every number is there. Which environment comes first is a matter of its index and of who reports in this
# step (as with `final_info`, where only those that ended do), so a logged mean changes with the order of the environments. Seen:
#   reported 0, 0.75, 0.9        read 0, 0, 0 (int64)             mean 0 in place of 0.55
#   reported 0.75, 0, 0.9        read 0.75, 0, 0.9 (float64)      the same numbers in another order: mean 0.55
#   reported True, 0.5, 2        read True, True, True (bool)
#   reported float32 1, 16777217 read 1, 16777216 (float32)
# So do SyncVectorEnv and AsyncVectorEnv, in NEXT_STEP mode (`info`) and in SAME_STEP mode (`final_info`); arrays in `info` fare alike.
# Exit code 0 as long as it is so. Needs python3 with venv, and PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gymnasium==1.4.0 numpy==2.4.6
cat > "$folder/info.py" <<'PYTHON'
import sys
import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv


class Reports(gym.Env):
    """Ends an episode in each step and reports one number."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, number):
        self.number = number

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), 0.0, True, False, {"x": self.number}


def read(vector, mode, numbers):
    envs = vector([lambda number=number: Reports(number) for number in numbers], autoreset_mode=mode)
    envs.reset()
    info = envs.step(np.zeros(len(numbers), np.int64))[4]
    envs.close()
    if mode == AutoresetMode.SAME_STEP:
        info = info["final_info"]
    assert info["_x"].all()
    return info["x"]


if __name__ == "__main__":
    changed = False
    for numbers, want in [
        ([0, 0.75, 0.9], [0, 0, 0]),
        ([0.75, 0, 0.9], [0.75, 0, 0.9]),
        ([True, 0.5, 2], [True, True, True]),
        ([np.float32(1), 16777217], [1, 16777216]),
        ([np.array([0]), np.array([0.75])], [[0], [0]]),
    ]:
        for vector in [SyncVectorEnv, AsyncVectorEnv]:
            for mode in [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]:
                got = read(vector, mode, numbers)
                changed |= got.tolist() != want
        print("reported", [getattr(number, "tolist", lambda: number)() for number in numbers], "read", got.tolist(), got.dtype)
    sys.exit("the behaviour has changed" if changed else 0)
PYTHON
"$folder/venv/bin/python" -W ignore "$folder/info.py"
