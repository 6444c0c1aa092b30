"""Records two batches of Pendulum with a small NumPy policy, as files for `wgpo update`, which repeats SAC's gradient steps on them.

    pip install numpy safetensors
    python make_transitions.py        # writes sac.safetensors, batches.safetensors, sac.toml
    wgpo update batches.safetensors --policy sac.safetensors --config sac.toml --out updated.safetensors

Each batch comes with the noise of the actions that the step draws, so that another trainer's step on the same numbers can be compared.
"""

import json

import numpy as np
from safetensors.numpy import save_file

BATCHES, ROWS, OBS, ACTIONS, HIDDEN, GAMMA = 2, 64, 3, 1, 32, 0.99
rng = np.random.default_rng(1)

# Actor and critics with one hidden layer of ReLU. Weights are [out, in], y = x Wᵀ + b, as in PyTorch. A critic takes the observation and,
# behind it, the action in [-1, 1]. The actor's outputs are means, then logarithms of deviations.
parameters = {}
for network, inputs, outputs in [("policy", OBS, 2 * ACTIONS), ("q1", OBS + ACTIONS, 1), ("q2", OBS + ACTIONS, 1)]:
    for layer, (n_in, n_out) in enumerate([(inputs, HIDDEN), (HIDDEN, outputs)]):
        bound = 1 / np.sqrt(n_in)
        parameters[f"{network}.{layer}.weight"] = rng.uniform(-bound, bound, (n_out, n_in)).astype(np.float32)
        parameters[f"{network}.{layer}.bias"] = rng.uniform(-bound, bound, n_out).astype(np.float32)
# The targets of the critics: here those of an earlier moment. Without these tensors they begin as copies.
for name in [name for name in parameters if name.startswith("q")]:
    parameters[f"target.{name}"] = (0.9 * parameters[name]).astype(np.float32)


def observe(angle, speed):
    return np.stack([np.cos(angle), np.sin(angle), speed], axis=1)


# Pendulum-v1: transitions from random states by random actions; none is terminal.
def batch():
    angle, speed, action = (rng.uniform(-limit, limit, ROWS) for limit in (np.pi, 8, 1))
    torque = 2 * action
    wrapped = (angle + np.pi) % (2 * np.pi) - np.pi
    reward = -(wrapped**2 + 0.1 * speed**2 + 0.001 * torque**2)
    next_speed = np.clip(speed + (15 * np.sin(angle) + 3 * torque) * 0.05, -8, 8)
    return {
        "obs": observe(angle, speed),
        "actions": action[:, None],
        "rewards": reward,
        "next_obs": observe(angle + 0.05 * next_speed, next_speed),
        "terminated": np.zeros(ROWS, np.uint8),
        "discounts": np.full(ROWS, GAMMA),
        "next_noise": rng.standard_normal((ROWS, ACTIONS)),
        "noise": rng.standard_normal((ROWS, ACTIONS)),
    }


batches = [batch() for _ in range(BATCHES)]
stacked = {name: np.stack([one[name] for one in batches]) for name in batches[0]}
save_file({name: array.astype(np.float32) if array.dtype == np.float64 else array for name, array in stacked.items()}, "batches.safetensors")

layers = lambda *widths: [{"kind": "dense", "outputs": width} for width in widths]
spec = {
    "obs_dim": OBS,
    "trunk": [],
    "policy_hidden": [],
    "value_hidden": [],
    "activation": "relu",
    "head": {
        "kind": "tanh_gaussian",
        "dims": ACTIONS,
        "bounds": {"low": [-2.0], "high": [2.0]},
        "std": {"from_state": True, "limit": {"clamp": {"low": -20.0, "high": 2.0}}},
    },
    "branches": [
        {"name": "policy", "input": "obs", "layers": layers(HIDDEN, 2 * ACTIONS)},
        {"name": "q1", "input": "obs_action", "layers": layers(HIDDEN, 1)},
        {"name": "q2", "input": "obs_action", "layers": layers(HIDDEN, 1)},
    ],
}
save_file(parameters, "sac.safetensors", {"format": "wgpo-1", "contents": "policy", "spec": json.dumps(spec)})

with open("sac.toml", "w") as file:
    file.write('algorithm = "sac"\npreset = "sb3"\nlearning_rate = 1e-3\n')
print(f"{BATCHES} batches of {ROWS} transitions")
