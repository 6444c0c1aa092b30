#!/usr/bin/env bash
# skrl's Memory.add_samples takes several rows at once for one environment ("store multiple samples and increment the memory index by the number of
# samples"), and moves that index on for each tensor in place of once. So the tensors of a transition land in different rows: with observations,
# actions and rewards, two transitions fill six rows, none of which holds more than one of the three numbers, and the rest is NaN, as the memory was
# made (False in a tensor of Booleans such as `terminated`). Where the rows pass the end of the ring, the memory does not count as full either and
# forgets what it held. Seen with skrl 2.1.1 and PyTorch 2.15.0:
#   two transitions (1, 10, 100), (2, 20, 200) added at once, 8 places: 6 rows, (1, -, -) (2, -, -) (-, 10, -) (-, 20, -) (-, -, 100) (-, -, 200)
#   one tensor, 8 places, 6 rows and then 4 more: 2 rows to sample from, in place of 8
# Nothing is raised. The same transitions one by one, or one each from two environments, lie as they should.
# Exit code 0 as long as it is so. Needs python3 with venv, and PyPI (PyTorch: some GB).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check skrl==2.1.1 torch==2.15.0 gymnasium==1.4.0 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version
import torch
from skrl.memories.torch import RandomMemory

print("skrl", version("skrl"))
NAMES = ["observations", "actions", "rewards"]


def memory(envs, *names):
    made = RandomMemory(memory_size=8, num_envs=envs, device="cpu")
    for name in names:
        made.create_tensor(name, size=1, dtype=torch.float32)
    return made


def rows(of):
    """What the memory counts as its rows, without NaN."""
    table = torch.cat([of.tensors_view[name][: len(of)] for name in NAMES], 1)
    return [tuple(None if number != number else number for number in row) for row in table.tolist()]


two = torch.tensor([[1.0, 10.0, 100.0], [2.0, 20.0, 200.0]])
right = [(1, 10, 100), (2, 20, 200)]
at_once, singly, parallel = memory(1, *NAMES), memory(1, *NAMES), memory(2, *NAMES)
for to, parts in [(at_once, [two]), (singly, [two[:1], two[1:]]), (parallel, [two])]:
    for part in parts:
        to.add_samples(**{name: part[:, [i]] for i, name in enumerate(NAMES)})
print("one by one:            ", rows(singly))
print("from two environments: ", rows(parallel))
print("at once:               ", rows(at_once))
whole = [all(number == number for number in row) for row in torch.cat(at_once.sample(NAMES, batch_size=1000)[0], 1).tolist()]
print(f"whole transitions in a sample of {len(whole)}: {sum(whole)}")

ring = memory(1, "rewards")
counts = []
for start, end in [(0, 6), (6, 10)]:
    ring.add_samples(rewards=torch.arange(float(start), end).reshape(-1, 1))
    counts.append(len(ring))
print("one tensor, 8 places, 6 rows and then 4 more: rows to sample from", counts)
apart = [(1, None, None), (2, None, None), (None, 10, None), (None, 20, None), (None, None, 100), (None, None, 200)]
as_seen = rows(singly) == right and rows(parallel) == right and rows(at_once) == apart and sum(whole) == 0 and counts == [6, 2]
sys.exit(0 if as_seen else "the behaviour has changed")
PYTHON
