"""Records a rollout of CartPole with a small NumPy policy, as files for `wgpo update`.

    pip install numpy safetensors
    python make_rollout.py            # writes policy.safetensors, rollout.safetensors, config.toml
    wgpo update rollout.safetensors --policy policy.safetensors --config config.toml --out updated.safetensors

In the first minibatch of the first epoch the policy is still the one that acted: `ratio_min` and `ratio_max` must be 1.
The file also says in which order each epoch takes the rows, as a trainer of your own would record it.
"""

import json

import numpy as np
from safetensors.numpy import save_file

STEPS, ENVS, OBS, ACTIONS, HIDDEN = 128, 8, 4, 2, 32
EPOCHS = 4
TIME_LIMIT = 25  # short, so that the rollout has truncated episodes too
rng = np.random.default_rng(1)


# A policy: two networks with one hidden layer of tanh. Weights are [out, in], y = x Wᵀ + b, as in PyTorch.
def orthogonal(outputs, inputs, gain):
    tall = gain * np.linalg.qr(rng.standard_normal((max(outputs, inputs), min(outputs, inputs))))[0]
    return np.ascontiguousarray(tall if outputs >= inputs else tall.T, dtype=np.float32)


parameters = {}
for network, outputs, gain in [("policy", ACTIONS, 0.01), ("value", 1, 1.0)]:
    for layer, (n_out, n_in, g) in enumerate([(HIDDEN, OBS, np.sqrt(2)), (outputs, HIDDEN, gain)]):
        parameters[f"{network}.{layer}.weight"] = orthogonal(n_out, n_in, g)
        parameters[f"{network}.{layer}.bias"] = np.zeros(n_out, np.float32)


def forward(network, obs):
    hidden = np.tanh(obs @ parameters[f"{network}.0.weight"].T + parameters[f"{network}.0.bias"])
    return hidden @ parameters[f"{network}.1.weight"].T + parameters[f"{network}.1.bias"]


def log_softmax(logits):
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def value(obs):
    return forward("value", obs)[:, 0]


# CartPole-v1.
def cartpole(state, action):
    x, v, angle, w = state.T
    force = np.where(action == 1, 10.0, -10.0)
    temp = (force + 0.05 * w**2 * np.sin(angle)) / 1.1
    turn = (9.8 * np.sin(angle) - np.cos(angle) * temp) / (0.5 * (4 / 3 - 0.1 * np.cos(angle) ** 2 / 1.1))
    push = temp - 0.05 * turn * np.cos(angle) / 1.1
    return np.stack([x + 0.02 * v, v + 0.02 * push, angle + 0.02 * w, w + 0.02 * turn], axis=1)


def start(count):
    return rng.uniform(-0.05, 0.05, (count, 4))


def f32(*shape):
    return np.zeros(shape, np.float32)


rollout = {
    "obs": f32(STEPS, ENVS, OBS),
    "actions": np.zeros((STEPS, ENVS), np.int32),
    "logp": f32(STEPS, ENVS),
    "rewards": f32(STEPS, ENVS),
    "values": f32(STEPS + 1, ENVS),
    "final_values": f32(STEPS, ENVS),
    "terminated": np.zeros((STEPS, ENVS), np.uint8),
    "truncated": np.zeros((STEPS, ENVS), np.uint8),
}
state, age = start(ENVS), np.zeros(ENVS, int)
for t in range(STEPS):
    obs = state.astype(np.float32)
    logp = log_softmax(forward("policy", obs))
    action = (rng.random(ENVS) < np.exp(logp[:, 1])).astype(np.int32)
    state, age = cartpole(state, action), age + 1
    terminated = (np.abs(state[:, 0]) > 2.4) | (np.abs(state[:, 2]) > 12 * np.pi / 180)
    truncated = (age >= TIME_LIMIT) & ~terminated
    rollout["obs"][t], rollout["actions"][t] = obs, action
    rollout["logp"][t] = logp[np.arange(ENVS), action]
    rollout["values"][t] = value(obs)
    rollout["rewards"][t] = 1.0
    rollout["terminated"][t], rollout["truncated"][t] = terminated, truncated
    # The value of the real last observation, before the reset.
    rollout["final_values"][t] = np.where(truncated, value(state.astype(np.float32)), 0)
    over = terminated | truncated
    state[over], age[over] = start(over.sum()), 0
rollout["values"][STEPS] = value(state.astype(np.float32))
# Row t * ENVS + n is step t of environment n. Stable-Baselines3 counts environment by environment instead: its permutation p is
# (p % STEPS) * ENVS + p // STEPS here. Without this tensor wgpo shuffles by itself.
rollout["order"] = np.stack([rng.permutation(STEPS * ENVS) for _ in range(EPOCHS)])
save_file(rollout, "rollout.safetensors")

# The policy before the update; wgpo starts the optimiser afresh.
spec = {
    "obs_dim": OBS,
    "trunk": [],
    "policy_hidden": [HIDDEN],
    "value_hidden": [HIDDEN],
    "activation": "tanh",
    "head": {"kind": "categorical", "actions": ACTIONS},
}
save_file(parameters, "policy.safetensors", {"format": "wgpo-1", "contents": "policy", "spec": json.dumps(spec)})

with open("config.toml", "w") as file:
    file.write(f'preset = "cleanrl"\nlearning_rate = 1e-3\nanneal_lr = false\nupdate_epochs = {EPOCHS}\nminibatch_size = 64\n')
print(f"{STEPS} steps x {ENVS} environments, {rollout['terminated'].sum()} terminated, {rollout['truncated'].sum()} truncated")
