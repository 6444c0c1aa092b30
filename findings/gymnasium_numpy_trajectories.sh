#!/usr/bin/env bash
# Gymnasium 1.4.0: same environment, same seed, same actions, another trajectory with another NumPy.
#
# MountainCarContinuous-v0 keeps a float32 state and multiplies it with Python numbers. NumPy 1.26 makes such products float64 and
# rounds once, when the state is stored; NumPy 2 makes every one of them float32 (its NEP 50). The two part in the first steps, and
# neither Gymnasium's version nor the environment's changes, so a recorded trajectory or a test by value holds for one NumPy only.
# Pendulum-v1 keeps float64, but its torque is float32: 3 u and 0.001 u² are float32 products under NumPy 2, and so it parts, too.
# With actions given as float64 Pendulum is the same under both; MountainCarContinuous is not.
#
# Seen (CPython 3.11.7, x86-64): 300 steps, first step that differs:
#   MountainCarContinuous-v0  float32 actions: step 2   float64 actions: step 2   (by 2.4e-7 at most in 300 steps)
#   Pendulum-v1               float32 actions: step 6   float64 actions: never    (by 4.8e-7 at most)
# Over 100,000 single steps from the same state: 23,577 and 3,766 observations differ.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/walk.py" <<'PYTHON'
import sys
import gymnasium
import numpy as np

for env_id in ["MountainCarContinuous-v0", "Pendulum-v1"]:
    for dtype in [np.float32, np.float64]:
        env = gymnasium.make(env_id, disable_env_checker=True, max_episode_steps=300)
        env.reset(seed=3)
        random = np.random.default_rng(3)
        bound = env.action_space.high[0]
        seen = []
        for _ in range(300):
            action = random.uniform(-bound, bound, 1).astype(np.float32).astype(dtype)
            seen.append(env.step(action)[0])
        np.save(f"{sys.argv[1]}/{env_id}.{np.dtype(dtype)}.npy", np.array(seen))
PYTHON
for numpy in 1.26.4 2.4.6; do
    python3 -m venv "$folder/$numpy"
    "$folder/$numpy/bin/pip" install --quiet --disable-pip-version-check gymnasium==1.4.0 "numpy==$numpy"
    mkdir "$folder/of-$numpy"
    "$folder/$numpy/bin/python" -W ignore "$folder/walk.py" "$folder/of-$numpy"
done
"$folder/2.4.6/bin/python" - "$folder" <<'PYTHON'
import sys
import numpy as np

parts = {}
for name in ["MountainCarContinuous-v0", "Pendulum-v1"]:
    for dtype in ["float32", "float64"]:
        old, new = (np.load(f"{sys.argv[1]}/of-{version}/{name}.{dtype}.npy") for version in ["1.26.4", "2.4.6"])
        differs = np.flatnonzero((old != new).any(axis=1))
        parts[name, dtype] = differs.size > 0
        print(name, dtype, "actions:", f"step {differs[0] + 1}, by {abs(old - new).max():.1e} at most" if differs.size else "never")
expected = {("MountainCarContinuous-v0", "float32"): True, ("MountainCarContinuous-v0", "float64"): True,
            ("Pendulum-v1", "float32"): True, ("Pendulum-v1", "float64"): False}
sys.exit("the behaviour has changed" if parts != expected else 0)
PYTHON
