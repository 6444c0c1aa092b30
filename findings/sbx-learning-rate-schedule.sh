#!/usr/bin/env bash
# sbx (Stable-Baselines3's algorithms in JAX) takes a schedule as `learning_rate`, asks it once, for the start of training, and in DQN, TD3, DDPG and
# CrossQ never again: the run goes on at the first rate to its end, with nothing said. SAC and TQC follow it with their networks and not with
# their temperature; Stable-Baselines3 follows it everywhere. Seen with sbx-rl 0.28.0, stable-baselines3 2.9.2 and JAX 0.10.2, with a rate of 0.001
# at the start and 0 ever after; the largest change of a parameter in 200 gradient steps, all after the start:
#   sbx                 DQN 0.263, TD3 0.3, DDPG 0.288, CrossQ 0.258 (temperature 0.0649), SAC 0 (temperature 0.164), TQC 0 (temperature 0.181)
#   stable-baselines3   DQN 0, TD3 0, DDPG 0, SAC 0 (temperature 0)
# Exit code 0 as long as it is so. Needs python3 with venv, and PyPI (PyTorch: some GB).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    sbx-rl==0.28.0 stable-baselines3==2.9.2 jax==0.10.2 jaxlib==0.10.2 torch==2.15.0 gymnasium==1.4.0 numpy==2.4.6
cd "$folder"
JAX_PLATFORMS=cpu venv/bin/python -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version
import jax
import numpy as np
import sbx
import stable_baselines3 as sb3
import torch

torch.set_num_threads(1)
print("sbx-rl", version("sbx-rl"), "stable-baselines3", sb3.__version__, "jax", jax.__version__)


def only_at_the_start(remaining):
    """The rate by the share of the run that remains, 1 at the start."""
    return 1e-3 if remaining == 1 else 0.0


def parameters(agent):
    """Of networks that learn, and of the temperature."""
    states = [state.params for name, state in vars(agent.policy).items() if name.endswith("_state")]
    if states:
        temperature = agent.ent_coef_state.params if hasattr(agent, "ent_coef_state") else {}
        return [[np.array(x) for x in jax.tree.leaves(tree)] for tree in [states, temperature]]
    nets = [agent.q_net] if hasattr(agent, "q_net") else [agent.actor, agent.critic]
    temperature = agent.log_ent_coef if hasattr(agent, "log_ent_coef") else None
    return [[p.detach().numpy().copy() for net in nets for p in net.parameters()],
            [] if temperature is None else [temperature.detach().numpy().copy()]]


def moved(library, name):
    """How far networks and temperature move in 200 gradient steps, all after the start, so that the rate is 0."""
    agent = getattr(library, name)(
        "MlpPolicy", "CartPole-v1" if name == "DQN" else "Pendulum-v1", learning_rate=only_at_the_start, learning_starts=10,
        buffer_size=1000, batch_size=32, train_freq=1, seed=0, policy_kwargs={"net_arch": [8]},
    )
    before = parameters(agent)
    agent.learn(210)
    return [max((float(abs(a - b).max()) for a, b in zip(x, y)), default=0.0) for x, y in zip(before, parameters(agent))]


right = True
for library, name, follows in [
    (sbx, "DQN", False), (sbx, "TD3", False), (sbx, "DDPG", False), (sbx, "CrossQ", False), (sbx, "SAC", True), (sbx, "TQC", True),
    (sb3, "DQN", True), (sb3, "TD3", True), (sb3, "DDPG", True), (sb3, "SAC", True),
]:
    networks, temperature = moved(library, name)
    print(f"{library.__name__} {name}: networks moved by {networks:.3g}, temperature by {temperature:.3g}")
    right = right and (networks == 0) == follows and (temperature > 0) == (library is sbx and name in ["SAC", "TQC", "CrossQ"])
sys.exit(0 if right else "the behaviour has changed")
PYTHON
