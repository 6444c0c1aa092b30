#!/usr/bin/env bash
# AgileRL's MultiStepReplayBuffer looks at `done` of the second transition of a window and later, and not of the first. So where an episode ends in the
# first one, its return goes on into the next episode, the next observation is of the next episode too, and the end itself is lost: `done` is that
# of the last transition taken. And the window of every environment stops where an episode of any of them ends: an environment in the middle of an
# episode gets fewer rewards and an earlier next observation, of which the learner is told nothing (RainbowDQN takes gamma^n_step for all).
# Seen with agilerl 2.58.0, PyTorch 2.15.0 and tensordict 0.13.0, n_step 3, gamma 1, reward 1 in each step, observations numbered by step, 100 later
# in the next episode; (observation, return, next observation, done):
#   one environment, episodes of 4 steps:   (0, 3, 3, no) (1, 3, 4, yes) (2, 2, 4, yes) (3, 3, 102, no)      right would be (3, 1, 4, yes)
#   beside it one whose episode goes on:    (0, 3, 3, no) (1, 3, 4, no) (2, 2, 4, no) (3, 3, 6, no)          right would be (2, 3, 5, no)
# Exit code 0 as long as it is so. Needs python3 with venv, and PyPI (PyTorch: some GB).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    agilerl==2.58.0 torch==2.15.0 tensordict==0.13.0 gymnasium==1.4.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version
import torch
from agilerl.components.replay_buffer import MultiStepReplayBuffer
from tensordict import TensorDict

print("agilerl", version("agilerl"), "torch", torch.__version__, "tensordict", version("tensordict"))


def stored(*lengths):
    """What is stored of environments whose episodes have these lengths: the first four windows of each."""
    buffer = MultiStepReplayBuffer(100, n_step=3, gamma=1.0)
    length = torch.tensor(lengths)
    step, first = torch.zeros_like(length), torch.zeros_like(length)
    for _ in range(6):
        observation, step = first + step, step + 1
        done, following = step == length, first + step
        numbers = {"obs": observation, "action": 0 * step, "reward": 1 + 0 * step, "next_obs": following, "done": done}
        buffer.add(TensorDict({key: value.float() for key, value in numbers.items()}, batch_size=[len(lengths)]))
        step, first = torch.where(done, 0, step), torch.where(done, first + 100, first)
    columns = [buffer.storage[key][: len(buffer)].flatten().int().tolist() for key in ["obs", "reward", "next_obs", "done"]]
    rows = list(zip(*columns))
    return [rows[i :: len(lengths)][:4] for i in range(len(lengths))]


past_the_end = [(0, 3, 3, 0), (1, 3, 4, 1), (2, 2, 4, 1), (3, 3, 102, 0)]
cut_short = [(0, 3, 3, 0), (1, 3, 4, 0), (2, 2, 4, 0), (3, 3, 6, 0)]
whole = [(0, 3, 3, 0), (1, 3, 4, 0), (2, 3, 5, 0), (3, 3, 6, 0)]
right = True
for lengths, want in [((4,), [past_the_end]), ((1000,), [whole]), ((4, 1000), [past_the_end, cut_short])]:
    got = stored(*lengths)
    right = right and got == want
    for length, rows in zip(lengths, got):
        print(f"episodes of {length} steps, {len(lengths)} environments (observation, return, next observation, done):", *rows)
sys.exit(0 if right else "the behaviour has changed")
PYTHON
