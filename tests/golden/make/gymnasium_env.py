"""Golden cases of kind `env` from the real Gymnasium, with the float32 actions that its spaces sample.

    python -m venv venv && venv/bin/pip install gymnasium==1.4.0 numpy==2.4.6 safetensors==0.8.0
    venv/bin/python gymnasium_env.py FOLDER                        the committed cases, a few hundred steps
    venv/bin/python gymnasium_env.py FOLDER --campaign 100000      so many steps of each environment

A campaign's folder is read by the same tests, and what they say has the number of elements that differ:

    WGPO_GOLDEN_DIR=FOLDER cargo test --test computing golden::reference_in_f64

With another NumPy a campaign says how far that one is from the cases; committed cases are made with the one above only.
"""

import argparse
import math
import pathlib

import gymnasium
import numpy as np
from safetensors.numpy import save_file

PINNED = ("1.4.0", "2.4.6")
ENVS = {
    "cartpole": ("CartPole-v1", 500),
    "pendulum": ("Pendulum-v1", 200),
    "acrobot": ("Acrobot-v1", 500),
    "mountain_car": ("MountainCarContinuous-v0", 999),
}


def continuous(env):
    return isinstance(env.action_space, gymnasium.spaces.Box)


def choose(env, random, kind):
    """An action as the space samples it; of kind 1 one that pushes along, and now and then past the limits."""
    if kind == 0:
        return env.action_space.sample()
    state = env.unwrapped.state
    if continuous(env):
        force = random.uniform(0.2, 1.6) * env.action_space.high[0]
        along = state[-1] if random.uniform() < 0.9 else -state[-1]
        return np.array([math.copysign(force, along)], dtype=np.float32)
    if env.action_space.n == 2:  # towards where the pole falls, mostly
        along = state[2] + state[3] > 0
        return int(along if random.uniform() < 0.8 else not along)
    return int(np.sign(state[2])) + 1 if random.uniform() < 0.8 else int(random.integers(3))


def walk(name, steps, seed):
    """`steps` steps of episode after episode, as rows: state before, action, state, observation, reward, flags, age."""
    env_id, limit = ENVS[name]
    env = gymnasium.make(env_id, max_episode_steps=limit)
    env.action_space.seed(seed)
    random = np.random.default_rng(seed)
    rows, episode = [], 0
    while len(rows) < steps:
        env.reset(seed=seed + episode)
        kind, age, ended = episode % 2, 0, False
        while not ended and len(rows) < steps:
            before = np.array(env.unwrapped.state, dtype=np.float64)
            action = choose(env, random, kind)
            obs, reward, fell, late, _ = env.step(action)
            assert obs.dtype == np.float32
            after = np.array(env.unwrapped.state, dtype=np.float64)
            rows.append((before, action, after, obs.copy(), float(reward), int(fell), int(late), age))
            ended, age = fell or late, age + 1
        episode += 1
    return rows


def near(name, row):
    """The same step from the state as float32 holds it."""
    env = gymnasium.make(ENVS[name][0]).unwrapped
    env.reset()
    env.state = row[0].astype(np.float32).astype(np.float64)
    obs, reward, *_ = env.step(row[1])
    return np.asarray(env.state, dtype=np.float64), obs, float(reward)


def tolerances(name, rows):
    """16 times what is lost by a state in float32, and a floor for a step in float32."""
    sample = rows if len(rows) < 2000 else rows[:: len(rows) // 2000]
    lost = {"state": 0.0, "obs": 0.0, "reward": 0.0}
    for row in sample:
        state, obs, reward = near(name, row)
        lost["state"] = max(lost["state"], np.abs(state - row[2]).max())
        lost["obs"] = max(lost["obs"], np.abs(obs.astype(np.float64) - row[3]).max())
        lost["reward"] = max(lost["reward"], abs(reward - row[4]))
    return {f"tolerance.out.{key}": f"rtol=1e-05,atol={16 * value + 2e-6:.1e}" for key, value in lost.items()}


def save(folder, name, case, rows, exact, note, shape):
    """`shape` None: single steps; else (T, B): a trajectory of B copies, `rows` in order of time and then of copy."""
    env_id, limit = ENVS[name]
    lead = (len(rows),) if shape is None else shape
    column = lambda index, dtype: np.array([row[index] for row in rows], dtype=dtype)
    numbers = lambda index, dtype: column(index, dtype).reshape(*lead, -1)
    discrete = not isinstance(rows[0][1], np.ndarray)
    states = numbers(0, np.float64)
    tensors = {
        "in.actions": column(1, np.int32).reshape(lead) if discrete else numbers(1, np.float32),
        "out.state": numbers(2, np.float64),
        "out.obs": numbers(3, np.float32),
        "out.reward": column(4, np.float64).reshape(lead),
        "out.terminated": column(5, np.int32).reshape(lead),
    }
    metadata = {
        "kind": "env",
        "case": case,
        "environment": env_id,
        "actions_are": "index" if discrete else "continuous",
        "state_dim": str(states.shape[-1]),
        "exact": ",".join(exact),
        "source": f"gymnasium {gymnasium.__version__} {env_id} with numpy {np.__version__}, {note}",
        "tolerance": "float32: |got-want| <= atol + rtol*|want| with the pair in tolerance.<tensor>; integers exact",
        **tolerances(name, rows),
    }
    if not discrete:
        metadata["actions_dtype"] = "float32"
    if shape is None:
        tensors["in.state"] = states
        metadata |= {"mode": "single_steps", "rows": str(len(rows))}
    else:
        tensors["in.state0"] = states[0]
        tensors["out.truncated"] = column(6, np.int32).reshape(lead)
        tensors["out.valid"] = np.ones(lead, dtype=np.int32)
        metadata |= {"mode": "trajectory", "T": str(lead[0]), "B": str(lead[1]), "time_limit": str(limit)}
    # safetensors writes what lies in memory, whatever the strides say.
    tensors = {key: np.ascontiguousarray(value) for key, value in tensors.items()}
    save_file(tensors, folder / f"env.{case}.safetensors", metadata=metadata)


def first_episodes(rows, steps):
    """The first steps of all episodes that have as many."""
    starts = [i for i, row in enumerate(rows) if row[7] == 0 and i + steps <= len(rows)]
    starts = [i for i in starts if all(rows[i + t][7] == t for t in range(steps))]
    starts = [i for i in starts if not any(rows[i + t][5] or rows[i + t][6] for t in range(steps))]
    return [[rows[i + t] for t in range(steps)] for i in starts]


def by_doubles(row):
    """MountainCarContinuous and Pendulum with every product in float64 but 3 * position: what NumPy would give for a
    float64 action, as float32."""
    (a, b), u = row[0], float(row[1][0])
    if len(row[3]) == 2:
        force = min(max(u, -1.0), 1.0)
        v = b + force * 0.0015 - 0.0025 * math.cos(float(np.float32(3 * a)))
        v = min(max(v, -0.07), 0.07)
        x = min(max(a + v, -1.2), 0.6)
        return np.array([x, 0.0 if x == -1.2 and v < 0 else v]).astype(np.float32)
    u = min(max(u, -2.0), 2.0)
    speed = min(max(b + (15 * math.sin(a) + 3 * u) * 0.05, -8.0), 8.0)
    angle = a + speed * 0.05
    return np.array([math.cos(angle), math.sin(angle), speed]).astype(np.float32)


# What holds bit by bit. A reward of Pendulum is not: NumPy's x**2 is the C library's pow, which misses x * x now and then.
EXACT = {
    "cartpole": ["out.obs", "out.reward"],
    "pendulum": ["out.obs", "out.state"],
    "acrobot": ["out.obs"],
    "mountain_car": ["out.obs", "out.state", "out.reward"],
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--campaign", type=int)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.campaign:
        for name in ENVS:
            rows = walk(name, options.campaign, options.seed)
            note = f"unwrapped step, {len(rows)} steps, seed {options.seed}"
            save(options.folder, name, f"{name}_campaign", rows, ["out.obs"], note, None)
            ends = sum(row[5] for row in rows), sum(row[6] for row in rows), sum(row[7] == 0 for row in rows)
            print(f"{name}: {len(rows)} steps, {ends[2]} resets, {ends[0]} terminated, {ends[1]} truncated")
        return
    versions = (gymnasium.__version__, np.__version__)
    assert versions == PINNED, f"gymnasium and numpy are {versions}, the cases are of {PINNED}"
    note = "float32 actions, start states as reset() drew them"
    for name, (steps, copies) in {"cartpole": (8, 12), "pendulum": (20, 8), "acrobot": (20, 4), "mountain_car": (30, 8)}.items():
        episodes = first_episodes(walk(name, 20000, 11), steps)[:copies]
        rows = [episode[t] for t in range(steps) for episode in episodes]
        save(options.folder, name, f"{name}_from_reset", rows, EXACT[name], note, (steps, len(episodes)))
    for name in ["mountain_car", "pendulum"]:
        rows = walk(name, 100000, 12)
        missed = [row for row in rows if (by_doubles(row) != row[3]).any()]
        print(f"{name}: {len(missed)} of {len(rows)} steps are others with products in float64")
        rows = [row for row in missed if row[7] == 0][:20] + [row for row in missed if row[7] > 0][:180]
        rows += [row for row in missed if row[5]][:5]
        note = "float32 actions, steps that products in float64 miss"
        save(options.folder, name, f"{name}_float32_products", rows, EXACT[name], note, None)


main()
