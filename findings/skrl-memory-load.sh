#!/usr/bin/env bash
# skrl's Memory.load() raises nothing, reads the file, and leaves the memory as it was: the numbers go to attributes (`_tensor_rewards`, …) that
# nothing reads any more, while samples come from the tensors that the memory made at first, and the number of rows is not
# restored. A fresh memory stays empty and gives batches of no rows (or NaN by sample_all()); one with rows of its own goes on with those. So a
# replay memory that was saved, by hand or by export=True, does not come back into a run. Seen with skrl 2.1.1 and PyTorch 2.15.0, for "pt" and
# "npz" files of four rewards 1, 2, 3, 4:
#   loaded into a fresh memory:           4 rows became 0; sample() gives no row; sample_all() gives NaN, NaN, NaN, NaN
#   loaded into a full memory of 0 only:  sample() gives 0, 0, 0, 0
# Exit code 0 as long as it is so. Needs python3 with venv, and PyPI (PyTorch: some GB).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check skrl==2.1.1 torch==2.15.0 gymnasium==1.4.0 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - "$folder" <<'PYTHON'
import glob
import math
import sys
from importlib.metadata import version
import torch
from skrl.memories.torch import RandomMemory


def memory(rewards):
    made = RandomMemory(memory_size=4, num_envs=1, device="cpu")
    made.create_tensor("rewards", size=1, dtype=torch.float32)
    for reward in rewards:
        made.add_samples(rewards=torch.tensor([[reward]]))
    return made


def sampled(which):
    return sorted(which.sample(["rewards"], batch_size=4)[0][0].flatten().tolist())


print("skrl", version("skrl"))
saved = memory([1.0, 2.0, 3.0, 4.0])
right = sampled(saved) == [1.0, 2.0, 3.0, 4.0]
for kind in ["pt", "npz"]:
    saved.save(sys.argv[1], format=kind)
    (path,) = glob.glob(f"{sys.argv[1]}/memories/*.{kind}")
    fresh, full = memory([]), memory([0.0] * 4)
    fresh.load(path)
    full.load(path)
    everything = fresh.sample_all(["rewards"])[0][0].flatten().tolist()
    print(f"{kind}: into a fresh memory: {len(saved)} rows became {len(fresh)}, sample() {sampled(fresh)}, sample_all() {everything}")
    print(f"{kind}: into a full memory of zeros: sample() {sampled(full)}")
    right = right and len(fresh) == 0 and sampled(fresh) == [] and all(map(math.isnan, everything)) and sampled(full) == [0.0] * 4
sys.exit(0 if right else "the behaviour has changed")
PYTHON
