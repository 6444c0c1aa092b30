"""What the way from Python into the library and back costs, against the library's own time for the same calls.

Not a test: `python python/tests/overhead.py`. Build with `maturin develop --release` first (or install a release wheel).
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

import numpy as np

from wgpo import _native as native


def medians(call: Any, own: native.Learner, times: int) -> tuple[float, float]:
    """Seconds of the call from Python, and how much of it is not the library's; medians."""
    whole, over = [], []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        took = time.perf_counter() - begin
        whole.append(took)
        over.append(took - own.seconds)
    return statistics.median(whole), statistics.median(over)


def main() -> None:
    """Prints a row for each call."""
    print(f"{'call':<34} {'from Python':>14} {'overhead':>12} {'share':>8}")
    for envs, steps in [(8, 128), (8, 512), (64, 64)]:
        spec = native.default_spec("ppo", 4, json.dumps({"kind": "categorical", "actions": 2}))
        config = native.config_with("ppo", native.default_config("ppo"), {"num_envs": envs, "num_steps": steps})
        own = native.Learner(spec, config, backend="cpu")
        draws = np.random.default_rng(0)
        obs = draws.normal(size=(steps, envs, 4)).astype(np.float32)
        acted = own.act(obs.reshape(-1, 4))
        window = {
            "obs": obs,
            "actions": acted["actions"].reshape(steps, envs),
            "logp": acted["logp"].reshape(steps, envs),
            "rewards": np.ones((steps, envs), np.float32),
            "values": np.concatenate([acted["values"].reshape(steps, envs), np.zeros((1, envs), np.float32)]),
            "terminated": np.zeros((steps, envs), bool),
            "truncated": np.zeros((steps, envs), bool),
        }
        first = np.ascontiguousarray(obs[0])
        for name, call, times in [
            (f"act, {envs} environments", lambda: own.act(first), 2000),
            (f"update, {steps} x {envs}, 64-64", lambda: own.update(window), 30),
        ]:
            call()
            whole, over = medians(call, own, times)
            print(f"{name:<34} {whole * 1e6:>11.1f} us {over * 1e6:>9.1f} us {over / whole:>8.2%}")


if __name__ == "__main__":
    main()
