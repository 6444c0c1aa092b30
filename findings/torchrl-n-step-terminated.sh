#!/usr/bin/env bash
# TorchRL's n-step returns (MultiStepTransform in a replay buffer, MultiStep behind a collector) move the next observation to the last one of the
# window and leave `terminated` and `done` of the first transition. So a window that runs into a terminal state before its last step says "not
# terminated" beside the terminal observation, and DQNLoss adds the value of that state to the target, though none follows and nothing ever
# trains it. Of the n windows that hold an episode's end, n - 1 are so; only the one that starts in the last step is right. Seen with torchrl 0.14.1,
# tensordict 0.14.3 and PyTorch 2.15.0, n_steps 3, gamma 1, an episode of 4 steps with reward 1 each, observations 0 to 4, where 4 is terminal:
#   observation 0: return 3, next 3, terminated no       observation 2: return 2, next 4, terminated no (!)
#   observation 1: return 3, next 4, terminated no (!)   observation 3: return 1, next 4, terminated yes
# The targets of DQNLoss, where Q(4) is 100 and all others are 0: 3, 103, 102, 1; right are 3, 3, 2, 1, as they are with n_steps 1 (1, 1, 1, 1).
# Exit code 0 as long as it is so. Needs python3 with venv, and PyPI (PyTorch: some GB).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torchrl==0.14.1 tensordict==0.14.3 torch==2.15.0 numpy==2.4.6
cd "$folder"
RL_LOGGING_LEVEL=WARNING venv/bin/python -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version
import torch
from tensordict import TensorDict
from torchrl.data import LazyTensorStorage, MultiStep, OneHot, ReplayBuffer
from torchrl.envs import MultiStepTransform
from torchrl.modules import QValueActor
from torchrl.objectives import DQNLoss

print("torchrl", version("torchrl"), "tensordict", version("tensordict"), "torch", torch.__version__)
LENGTH, STEPS = 4, 12


def episodes():
    """Three episodes of four steps that terminate, one after the other."""
    step = torch.arange(STEPS).reshape(-1, 1) % LENGTH
    end = step == LENGTH - 1
    after = {"observation": step + 1.0, "reward": torch.ones(STEPS, 1), "done": end, "terminated": end, "truncated": end & False}
    return TensorDict({"observation": step + 0.0, "action": torch.ones(STEPS, 1).long(), "next": after}, [STEPS])


class Q(torch.nn.Module):
    """Of one action: 100 of the terminal observation, 0 of all others."""

    def __init__(self):
        super().__init__()
        self.high = torch.nn.Parameter(torch.tensor(100.0))

    def forward(self, observation):
        return self.high * (observation == LENGTH)


def targets(batch):
    actor = QValueActor(Q(), in_keys=["observation"], spec=OneHot(1))
    loss = DQNLoss(actor, action_space="one-hot", loss_function="l1", delay_value=True, reduction="none")
    loss.make_value_estimator(gamma=1.0)
    # Q of a first observation is 0, so that the absolute error is the target.
    return [round(x) for x in loss(batch)["loss"].flatten().tolist()]


def from_buffer(n):
    buffer = ReplayBuffer(storage=LazyTensorStorage(100), transform=MultiStepTransform(n_steps=n, gamma=1.0))
    buffer.extend(episodes())
    return buffer[:]


got = {}
for name, batch in [
    ("buffer, n_steps 3", from_buffer(3)), ("collector, n_steps 3", MultiStep(gamma=1.0, n_steps=3)(episodes()[None])[0]),
    ("buffer, n_steps 1", from_buffer(1)),
]:
    batch = batch[:LENGTH]
    columns = [batch[key].flatten().int().tolist() for key in ["observation", ("next", "reward"), ("next", "observation"), ("next", "terminated")]]
    got[name] = list(zip(*columns)), targets(batch)
    print(f"{name}: (observation, return, next observation, terminated):", *got[name][0], "targets:", *got[name][1])
three = [(0, 3, 3, 0), (1, 3, 4, 0), (2, 2, 4, 0), (3, 1, 4, 1)], [3, 103, 102, 1]
one = [(0, 1, 1, 0), (1, 1, 2, 0), (2, 1, 3, 0), (3, 1, 4, 1)], [1, 1, 1, 1]
sys.exit(0 if list(got.values()) == [three, three, one] else "the behaviour has changed")
PYTHON
