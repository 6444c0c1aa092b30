#!/usr/bin/env bash
# safetensors.numpy.save_file writes the memory of an array and its shape, not its elements: a transposed, strided or Fortran-ordered array
# comes back with its numbers in another order, and nothing says so. Seen with safetensors 0.8.0 and NumPy 2.4.6:
#   t: wrote [[0, 3], [1, 4], [2, 5]], read [[0, 1], [2, 3], [4, 5]]
#   s: wrote [[0, 2], [3, 5]], read [[0, 1], [2, 3]]
# safetensors.torch.save_file refuses such tensors ("You are trying to save a non contiguous tensor").
# Exit code 0 as long as it is so. Needs python3 with venv, and PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import numpy, safetensors
from safetensors.numpy import load_file, save_file
a = numpy.arange(6, dtype=numpy.int32).reshape(2, 3)
wrote = {"t": a.T, "s": a[:, ::2]}
save_file(wrote, "x.safetensors")
read = load_file("x.safetensors")
print("safetensors", safetensors.__version__, "numpy", numpy.__version__)
for name in wrote:
    print(f"{name}: wrote {wrote[name].tolist()}, read {read[name].tolist()}")
assert read["t"].tolist() == [[0, 1], [2, 3], [4, 5]] and read["s"].tolist() == [[0, 1], [2, 3]], "changed"
PY
