#!/usr/bin/env bash
# target_update_interval of Stable-Baselines3's SAC and of sb3-contrib's TQC counts within one call of train(), from 0 in each call. With the
# default of one gradient step per environment step, each step is the first of its call, and the target network moves in every one of them,
# whatever the interval: 100 and 1,000 do the same as 1. Only with more gradient steps at a time does it have an effect, and then by
# ⌈steps / interval⌉ of each call, not by steps / interval. Seen with stable-baselines3 2.9.2, sb3-contrib 2.9.2 and PyTorch 2.15.0, 400 gradient steps each:
#   interval 1, 1 gradient step a call:      400 target updates
#   interval 100, 1 gradient step a call:    400 (4 would be one in 100)
#   interval 1000, 1 gradient step a call:   400 (0 or 1)
#   interval 100, 50 gradient steps a call:  8   (4)
#   interval 3, 4 gradient steps a call:     200 (133)
# A tau made for a rare update, such as 1, is then applied 100 times too often: with tau 1 and interval 100 the target is the critic itself.
# Exit code 0 as long as it is so. Needs python3 with venv, and PyPI (PyTorch: some GB).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check stable-baselines3==2.9.2 sb3-contrib==2.9.2 torch==2.15.0 gymnasium==1.4.0 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version
import sb3_contrib.tqc.tqc
import stable_baselines3.sac.sac
import torch

torch.set_num_threads(1)
print("stable-baselines3", version("stable-baselines3"), "sb3-contrib", version("sb3-contrib"))


def learn(module, interval, steps, tau=0.005):
    """Target updates in 400 gradient steps, and the agent."""
    updates, plain = [], module.polyak_update

    def counted(source, target, rate):
        # The second call of an update copies statistics of batch normalisation, with rate 1; there are none.
        source, target = list(source), list(target)
        if source:
            updates.append(rate)
        plain(source, target, rate)

    module.polyak_update = counted
    agent = getattr(module, module.__name__.rsplit(".")[-1].upper())(
        "MlpPolicy", "Pendulum-v1", learning_starts=100, target_update_interval=interval, gradient_steps=steps, train_freq=steps,
        tau=tau, batch_size=8, policy_kwargs={"net_arch": [4]}, seed=0, device="cpu",
    ).learn(500)
    module.polyak_update = plain
    assert agent._n_updates == 400
    return len(updates), agent


right = True
for module in [stable_baselines3.sac.sac, sb3_contrib.tqc.tqc]:
    for interval, steps, want in [(1, 1, 400), (100, 1, 400), (1000, 1, 400), (100, 50, 8), (3, 4, 200)]:
        got, _ = learn(module, interval, steps)
        print(f"{module.__name__}: interval {interval}, {steps} gradient steps a call: {got} target updates in 400 gradient steps")
        right = right and got == want
    _, agent = learn(module, 100, 1, tau=1.0)
    apart = max((a - b).abs().max().item() for a, b in zip(agent.critic.parameters(), agent.critic_target.parameters()))
    print(f"{module.__name__}: tau 1, interval 100, after 400 gradient steps critic and target differ by {apart}")
    right = right and apart == 0
sys.exit(0 if right else "the behaviour has changed")
PYTHON
