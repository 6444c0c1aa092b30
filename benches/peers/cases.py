"""The cases of benches/cpu.rs, and how a peer times and prints them."""

import json
import sys
import time

import numpy as np

# Name: observations, hidden layers, head, actions, rows of a minibatch.
NETS = {
    "cartpole": (4, (64, 64), "categorical", 2, 4096),
    "halfcheetah": (17, (64, 64), "gaussian", 6, 4096),
    "ant": (27, (256, 256), "gaussian", 8, 16384),
    "humanoid": (108, (400, 200, 100), "gaussian", 21, 16384),
}
# Name: steps, environments.
WINDOWS = {"wide": (128, 4096), "long": (4096, 64), "isaac": (24, 16384)}

# Off-policy: observations, hidden layers, actions (or choices, of DQN), rows of a batch. Transitions are drawn from a full buffer.
CRITICS = {"256": (17, (256, 256), 6, 256), "64": (17, (64, 64), 6, 256)}
BUFFER, TAU, Q_LR, NOISE, NOISE_CLIP = 100_000, 0.005, 1e-5, 0.2, 0.5

CLIP, ENT_COEF, VF_COEF, MAX_NORM, LR, EPS, BETA1, BETA2 = 0.2, 0.01, 0.5, 0.5, 1e-5, 1e-5, 0.9, 0.999
GAMMA, LAMBDA = 0.99, 0.95


def wave(*shape, phase):
    """Numbers in ±1 that look like nothing in particular."""
    i = np.arange(np.prod(shape), dtype=np.float32)
    return np.sin((i * np.float32(0.7371) + np.float32(phase)) * np.float32(1.37)).reshape(shape).astype(np.float32)


def layers(obs, hidden, outputs, rng):
    """Weights [in, out] and biases of one network, as large as an initialisation's."""
    sizes = (obs, *hidden, outputs)
    scales = [2**0.5] * len(hidden) + [0.01]
    return [
        (rng.normal(0, s / i**0.5, (i, o)).astype(np.float32), np.zeros(o, np.float32))
        for i, o, s in zip(sizes, sizes[1:], scales)
    ]


def networks(name, seed=1):
    """Actor, critic and log_std (empty for a categorical head) of a net."""
    obs, hidden, head, actions, _ = NETS[name]
    rng = np.random.default_rng(seed)
    log_std = np.zeros(actions if head == "gaussian" else 0, np.float32)
    return layers(obs, hidden, actions, rng), layers(obs, hidden, 1, rng), log_std


def minibatch(name):
    """Observations, actions, old log-probabilities, advantages, returns and old values."""
    obs, _, head, actions, rows = NETS[name]
    rng = np.random.default_rng(2)
    if head == "categorical":
        taken = rng.integers(0, actions, rows).astype(np.int32)
        logp = np.full(rows, -np.log(actions), np.float32)
    else:
        taken = rng.normal(size=(rows, actions)).astype(np.float32)
        logp = (-0.5 * taken**2 - 0.5 * np.log(2 * np.pi)).sum(1).astype(np.float32)
    values = wave(rows, phase=0.2)
    return (
        wave(rows, obs, phase=0.1),
        taken,
        logp + np.float32(0.05) * wave(rows, phase=0.5),
        wave(rows, phase=0.9),
        values + wave(rows, phase=0.3),
        values,
    )


def window(name):
    """Rewards, values of one step more, values of last observations, terminated, truncated."""
    steps, envs = WINDOWS[name]
    t, n = np.meshgrid(np.arange(steps), np.arange(envs), indexing="ij")
    every = lambda period: (31 * t + 17 * n) % period == 0
    return (
        wave(steps, envs, phase=0.1),
        wave(steps + 1, envs, phase=0.4),
        wave(steps, envs, phase=0.6),
        every(97),
        every(101),
    )


def transitions(name, discrete):
    """Observations, next ones, actions, rewards and whether they terminated, as many as the buffer holds."""
    obs, _, actions, _ = CRITICS[name]
    rng = np.random.default_rng(3)
    taken = rng.integers(0, actions, BUFFER).astype(np.int32) if discrete else rng.uniform(-1, 1, (BUFFER, actions)).astype(np.float32)
    return (
        rng.normal(size=(BUFFER, obs)).astype(np.float32),
        rng.normal(size=(BUFFER, obs)).astype(np.float32),
        taken,
        rng.normal(size=BUFFER).astype(np.float32),
        rng.random(BUFFER) < 0.01,
    )


def wanted(row):
    """Whether a command line without words, or with one that the row's name holds, asks for it."""
    return len(sys.argv) < 2 or any(word in row for word in sys.argv[1:])


def report(row, call, seconds=1.5, share=1):
    """Median of single calls, each of which does the row's work `share` times, after some that are not counted, as a line of JSON.

    `call` returns when its result is there.
    """
    for _ in range(3):
        call()
    times, start = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    print(json.dumps({"row": row, "median_ms": 1e3 * float(np.median(times)) / share, "calls": len(times)}), flush=True)
