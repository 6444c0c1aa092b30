"""A loop of your own around `wgpo.Learner`: arrays in, arrays out.

The environment here is NumPy: 16 points on a line that are to be moved to 0. No episode ends in this window, so no last observations are needed.
"""

import json

import numpy as np
import wgpo

ENVS, STEPS = 16, 32
rng = np.random.default_rng(0)

spec = wgpo.default_spec("ppo", 1, json.dumps({"kind": "categorical", "actions": 3}), hidden=[32])
config = wgpo.default_config("ppo", "cleanrl")
config = wgpo.config_with(
    "ppo", config, {"num_envs": ENVS, "num_steps": STEPS, "learning_rate": 2e-3, "anneal_lr": False}
)
learner = wgpo.Learner(spec, config, backend="auto", seed=1)

for update in range(30):
    place = rng.uniform(-1, 1, (ENVS, 1)).astype(np.float32)
    window = {name: [] for name in ("obs", "actions", "logp", "values", "rewards")}
    for _ in range(STEPS):
        acted = learner.act(place)
        place = np.clip(place + 0.1 * (acted["env_actions"] - 1), -1, 1).astype(np.float32)
        for name in ("obs", "actions", "logp", "values"):
            window[name].append(acted[name])
        window["rewards"].append(-np.abs(place[:, 0]))
    window["values"].append(learner.values(place))
    rollout = {name: np.stack(rows) for name, rows in window.items()}
    # The window ends the episode: what lies behind it counts by its value.
    rollout["terminated"] = np.zeros((STEPS, ENVS), bool)
    rollout["truncated"] = np.zeros((STEPS, ENVS), bool)
    stats = learner.update(rollout)
    if update % 10 == 9:
        print(f"update {update + 1}: mean reward {rollout['rewards'].mean():.3f}, approx_kl {stats['approx_kl']:.4f}")

assert rollout["rewards"].mean() > -0.35, "not learnt"
