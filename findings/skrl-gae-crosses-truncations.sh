#!/usr/bin/env bash
# skrl's PPO with its default time_limit_bootstrap=False does not end an episode where it is truncated: the advantage of the last step before
# the reset takes in the value of the first observation after it, and all advantages of the next episode, discounted. Of three steps with reward 1,
# the second of which is truncated, the first two change with a value that belongs to the next episode. Seen with skrl 2.1.1:
#   V(first observation of the next episode) = 0:   returns [2.825, 1.9405, 1.0]
#   V(first observation of the next episode) = 100: returns [7.4805, 6.8905, 1.0]
# With time_limit_bootstrap=True they do not change. Exit code 0 as long as it is so. Needs python3 with venv, and PyPI (PyTorch: some GB).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet skrl==2.1.1 torch==2.15.0 gymnasium==1.4.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
from importlib.metadata import version
import torch
from skrl.agents.torch.ppo.ppo import compute_gae


def returns(next_value, bootstrap):
    column = lambda *values: torch.tensor(values, dtype=torch.float64)[:, None, None]
    flags = lambda *values: torch.tensor(values)[:, None, None]
    found, _ = compute_gae(
        rewards=column(1, 1, 1), values=column(0, 0, next_value), last_values=column(0)[0],
        terminated=flags(False, False, False), truncated=flags(False, True, False), time_limit_bootstrap=bootstrap,
    )
    return [round(x, 4) for x in found[:, 0, 0].tolist()]


print("skrl", version("skrl"))
for value in (0.0, 100.0):
    print(f"V of the next episode {value}: returns {returns(value, False)}, with time_limit_bootstrap {returns(value, True)}")
assert returns(0.0, False) == [2.825, 1.9405, 1.0] and returns(100.0, False) == [7.4805, 6.8905, 1.0], "changed"
assert returns(0.0, True)[:2] == returns(100.0, True)[:2], "changed"
PY
