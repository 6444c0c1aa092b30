#!/usr/bin/env bash
# Gymnasium 1.4.0 (NumPy 2.4.6): what its running normalisation does that its documentation does not say.
#
# 1. NormalizeObservation, single and vector, keeps its statistics in float32 (the dtype of its observation space). A column with an
#    offset of 1,000 deviations stops moving: after 800,000 rows whose mean moved by 1 half-way, float32 says mean 1000.00 and variance
#    1.50, float64 says 1000.50 and 1.25. NormalizeReward of the same module keeps float64.
# 2. The vector NormalizeReward follows another rule in each autoreset mode. One reward each step; the episode terminates in step 3. The
#    sums whose deviation divides the rewards are, with gamma 1:
#       SAME_STEP   1 2 1 1 2       step 3: the past is left out of the last sum of an episode, and nothing is carried on
#       NEXT_STEP   1 2 1 1 2 3     step 4 only resets; its sum is that of step 3, so that step 5 adds to the last reward of the episode before
#    and where step 3 is truncated instead:
#       SAME_STEP   1 2 3 1 2
#       NEXT_STEP   1 2 3 3 4 5     a truncated episode is carried on into the next one
#    reset() clears the sums; the wrapper of one environment does not clear its own.
# 3. In DISABLED mode, where the caller resets the environments that ended (options "reset_mask"), the vector NormalizeReward clears the
#    sums of all environments, also of those that go on.
# 4. The vector NormalizeObservation refuses DISABLED with "Expected ... NEXT_STEP", though its reset() has code for "reset_mask".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gymnasium==1.4.0 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.utils import RunningMeanStd

changed = []


def expect(what, got, want):
    print(f"{what}: {got}")
    if got != want:
        changed.append(f"{what}: {got}, was {want}")


class Ones(gym.Env):
    """Reward 1 a step; its third step ends an episode, once."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, how, at=3):
        self.how, self.at, self.steps = how, at, 0

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        end = self.steps == self.at
        return np.zeros(1, np.float32), 1.0, end and self.how == "terminated", end and self.how == "truncated", {}


wrapper = gym.wrappers.NormalizeObservation(gym.make("Pendulum-v1"))
expect("1. dtype of the statistics of observations", str(wrapper.obs_rms.mean.dtype), "float32")
random = np.random.default_rng(0)
single, double = RunningMeanStd(shape=(1,), dtype=wrapper.obs_rms.mean.dtype), RunningMeanStd(shape=(1,))
for i in range(200_000):
    rows = (1000 + random.normal(size=(4, 1)) + (i > 100_000)).astype(np.float32)
    single.update(rows)
    double.update(rows.astype(np.float64))
for name, value in [("mean", "mean"), ("variance", "var")]:
    got, right = (float(getattr(each, value)[0]) for each in (single, double))
    print(f"1. {name} after {4 * (i + 1)} rows: {got:.4f} in float32, {right:.4f} in float64")
    expect(f"1. {name} is off by more than 0.1", abs(got - right) > 0.1, True)


def sums(mode, how, steps):
    env = gym.wrappers.vector.NormalizeReward(SyncVectorEnv([lambda: Ones(how)], autoreset_mode=mode), gamma=1.0)
    env.reset()
    taken, update = [0], env.return_rms.update
    env.return_rms.update = lambda x: (taken.append(float(x[0])), update(x))
    result = []
    for _ in range(steps):
        env.step(np.zeros(1, np.int64))
        result.append(taken[-1])
    return result


for mode, how, want in [
    (AutoresetMode.SAME_STEP, "terminated", [1, 2, 1, 1, 2]),
    (AutoresetMode.NEXT_STEP, "terminated", [1, 2, 1, 1, 2, 3]),
    (AutoresetMode.SAME_STEP, "truncated", [1, 2, 3, 1, 2]),
    (AutoresetMode.NEXT_STEP, "truncated", [1, 2, 3, 3, 4, 5]),
]:
    expect(f"2. sums, {mode.name}, {how} in step 3", sums(mode, how, len(want)), [float(x) for x in want])
one = gym.wrappers.NormalizeReward(Ones("terminated", 99), gamma=1.0)
one.reset()
for _ in range(4):
    one.step(0)
one.reset()
expect("2. sum of one environment after reset()", float(one.discounted_reward[0]), 4.0)

envs = SyncVectorEnv([lambda: Ones("terminated", 3), lambda: Ones("terminated", 99)], autoreset_mode=AutoresetMode.DISABLED)
envs = gym.wrappers.vector.NormalizeReward(envs, gamma=1.0)
envs.reset()
for _ in range(3):
    envs.step(np.zeros(2, np.int64))
before = envs.accumulated_reward.tolist()
envs.reset(options={"reset_mask": np.array([True, False])})
expect("3. sums before and after a reset of environment 0 only", (before, envs.accumulated_reward.tolist()), ([1.0, 3.0], [0.0, 0.0]))

try:
    kwargs = {"autoreset_mode": AutoresetMode.DISABLED}
    gym.wrappers.vector.NormalizeObservation(gym.make_vec("Pendulum-v1", 2, vectorization_mode="sync", vector_kwargs=kwargs))
    refused = "no"
except ValueError as error:
    refused = str(error).split(",")[0]
expect("4. refused", refused, "Expected env.metadata['autoreset_mode'] to be AutoresetMode.NEXT_STEP")
sys.exit("the behaviour has changed:\n" + "\n".join(changed) if changed else 0)
PYTHON
