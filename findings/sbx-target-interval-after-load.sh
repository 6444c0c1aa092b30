#!/usr/bin/env bash
# sbx's DQN divides target_update_interval by the number of environments when it is made, keeps the quotient under the same name, saves that, and divides
# again when it is loaded. So with four environments each save and load makes the target network move four times as often, down to every step.
# Stable-Baselines3, whose file is laid out alike, keeps the number as given. Seen with sbx-rl 0.28.0, stable-baselines3 2.9.2 and JAX 0.10.2,
# interval 1,000, four environments, calls of step() between two target updates:
#   sbx                 250 when made, 62, 15, 3 and 1 after one to four loads; target updates in the 1,000 calls that follow: 4, 16, 66, 333 and 1,000
#   stable-baselines3   250, and 4 updates, always
# One environment is not affected. Exit code 0 as long as it is so. Needs python3 with venv, and PyPI (PyTorch: some GB).
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
import sbx
import stable_baselines3 as sb3
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.dqn import dqn as torch_dqn

torch.set_num_threads(1)
print("sbx-rl", version("sbx-rl"), "stable-baselines3", sb3.__version__, "jax", jax.__version__)
ENVIRONMENTS, CALLS = 4, 1000


def updates(library, agent):
    """How often the target moves in so many calls of step(). Nothing is learned: learning_starts is never reached."""
    count = 0

    def counted(plain):
        def update(*arguments):
            nonlocal count
            count += 1
            return plain(*arguments)

        return update

    if library is sbx:
        plain, sbx.DQN.soft_update = sbx.DQN.soft_update, staticmethod(counted(sbx.DQN.soft_update))
        agent.learn(ENVIRONMENTS * CALLS)
        sbx.DQN.soft_update = staticmethod(plain)
        return count
    # A second call of an update copies statistics of batch normalisation.
    plain, torch_dqn.polyak_update = torch_dqn.polyak_update, counted(torch_dqn.polyak_update)
    agent.learn(ENVIRONMENTS * CALLS)
    torch_dqn.polyak_update = plain
    return count // 2


got = {}
for library in [sbx, sb3]:
    env = make_vec_env("CartPole-v1", ENVIRONMENTS, seed=0)
    agent = library.DQN("MlpPolicy", env, target_update_interval=1000, learning_starts=10**9, buffer_size=1000, seed=0)
    got[library] = []
    for loads in range(5):
        agent.save("agent")
        got[library].append((agent.target_update_interval, updates(library, agent)))
        print(f"{library.__name__}: after {loads} loads, target_update_interval {got[library][-1][0]}: "
              f"{got[library][-1][1]} target updates in {CALLS} calls of step() of {ENVIRONMENTS} environments")
        agent = library.DQN.load("agent", env=env)
right = got[sbx] == [(250, 4), (62, 16), (15, 66), (3, 333), (1, 1000)] and got[sb3] == [(1000, 4)] * 5
sys.exit(0 if right else "the behaviour has changed")
PYTHON
