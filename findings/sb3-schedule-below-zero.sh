#!/usr/bin/env bash
# Stable-Baselines3 ends a run with a whole rollout and goes on with the schedule below its end: the share of the run that remains is then negative, and a
# learning rate that is that share times a number (the linear schedule of its documentation) is negative, too. PyTorch's Adam and RMSprop take it, and the
# last update climbs its loss, with nothing said. Where the length is a multiple of a rollout, the last update has a rate of 0 and changes nothing, so that
# a run of one rollout learns nothing at all. `LinearSchedule` of stable_baselines3.common.utils is held at its end. PPO's defaults and 100,000 steps are
# 49 rollouts of 2,048, 100,352 steps. Seen with stable-baselines3 2.9.2 and PyTorch 2.15.0, 64 steps a rollout, first rate 3e-4; rate of each update, and
# the largest change of a parameter in the last:
#   PPO, 256 steps: 2.25e-4, 1.5e-4, 7.5e-5, 0           0
#   PPO, 200 steps: 2.04e-4, 1.08e-4, 1.2e-5, -8.4e-5    3.5e-4
#   PPO, 64 steps:  0                                    0
#   A2C, 200 steps: 2.04e-4, 1.08e-4, 1.2e-5, -8.4e-5    8.2e-4
#   PPO, 200 steps, LinearSchedule: 2.04e-4, 1.08e-4, 1.2e-5, 0    0
# Exit code 0 as long as it is so. Needs python3 with venv, and PyPI (PyTorch: some GB).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    stable-baselines3==2.9.2 torch==2.15.0 gymnasium==1.4.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import sys

import stable_baselines3
import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.utils import LinearSchedule

torch.set_num_threads(1)
print("stable-baselines3", stable_baselines3.__version__, "torch", torch.__version__)
FIRST = 3e-4


def updates(kind, steps, schedule, **settings):
    """The rate of each update, and how far the last one moved a parameter."""
    rates, moved = [], []

    class Watched(kind):
        def train(self):
            before = [p.detach().clone() for p in self.policy.parameters()]
            super().train()
            rates.append(self.policy.optimizer.param_groups[0]["lr"])
            moved.append(max(float((a - b).detach().abs().max()) for a, b in zip(self.policy.parameters(), before)))

    Watched("MlpPolicy", "CartPole-v1", learning_rate=schedule, n_steps=64, seed=1, device="cpu", **settings).learn(steps)
    print(f"{kind.__name__} {steps} steps:", ", ".join(f"{rate:.3g}" for rate in rates), f"  moved {moved[-1]:.2g}")
    return rates, moved[-1]


def linear(remaining):
    return FIRST * remaining


ppo = {"batch_size": 32, "n_epochs": 2}
whole, still = updates(PPO, 256, linear, **ppo)
beyond, climbed = updates(PPO, 200, linear, **ppo)
single, nothing = updates(PPO, 64, linear, **ppo)
a2c, also = updates(A2C, 200, linear)
held, stays = updates(PPO, 200, LinearSchedule(FIRST, 0.0, 1.0), **ppo)
right = (
    len(whole) == len(beyond) == len(a2c) == len(held) == 4
    and whole[-1] == 0 == still
    and beyond[-1] < -8e-5
    and climbed > 1e-4
    and single == [0.0]
    and nothing == 0
    and a2c[-1] < -8e-5
    and also > 1e-4
    and held[-1] == 0 == stays
)
sys.exit(0 if right else "the behaviour has changed")
PYTHON
