#!/usr/bin/env bash
# rsl_rl trains on the first ⌊rows / n⌋ · n rows of a batch and leaves out the rest, before it shuffles: where the minibatches do not come out
# even, it is always the same rows, those of the last environments in the last step, that no epoch and no update ever sees. Of 7 environments
# with 7 steps and 4 minibatches, row 48 (environment 6, step 6) is in none of 1,000 epochs. Seen with rsl-rl-lib 5.5.1:
#   rows never seen: [48]
# Exit code 0 as long as it is so. Needs python3 with venv, and PyPI (PyTorch: some GB).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet rsl-rl-lib==5.5.1 torch==2.15.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
from importlib.metadata import version
import torch
from rsl_rl.storage import RolloutStorage
from tensordict import TensorDict

observations = TensorDict({"policy": torch.zeros(7, 1)}, batch_size=[7])
storage = RolloutStorage("rl", 7, 7, observations, [1])
storage.distribution_params = (torch.zeros(7, 7, 1),)
storage.actions = torch.arange(49.0).reshape(7, 7, 1)
seen = set()
for _ in range(1000):
    for batch in storage.mini_batch_generator(4, 1):
        seen |= set(batch.actions.flatten().int().tolist())
never = sorted(set(range(49)) - seen)
print("rsl-rl-lib", version("rsl-rl-lib"), "rows never seen:", never)
assert never == [48], "changed"
PY
