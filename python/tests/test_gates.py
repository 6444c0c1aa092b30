"""Gymnasium's own environments are learnt by the rules, marks and settings of the Rust gates (tests/learning_cpu.rs). No setting was chosen by these seeds."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest
import wgpo
from gymnasium.vector import AutoresetMode

EPISODES = 100
#: Parts of a run; after each the policy is played greedily.
PARTS = 20
SAME_STEP = {"autoreset_mode": AutoresetMode.SAME_STEP}


def learnt(algorithm: Any, env: str, greedy: float, sampled: float | None, seed: int) -> tuple[bool, list[str]]:
    """Whether, after the same update, 100 greedy episodes have the mean ``greedy`` and the last 100 of training the mean ``sampled``; and what was reached.

    The greedy policy plays from start states that no training has.
    """
    envs, apart = (gym.make_vec(env, count, "sync", SAME_STEP) for count in (ENVS.get((algorithm, env), 1), 20))
    model = algorithm(envs, preset="tuned", seed=seed, verbose=0, backend="cpu")
    total = int(model.config["total_timesteps"])
    seen: list[str] = []
    good: list[bool] = []

    def play(progress: wgpo.Progress) -> bool:
        if progress.num_timesteps < (len(seen) + 1) * total // PARTS:
            return True
        mean = float(progress.row["ep_rew_mean"])
        seen.append(f"{progress.num_timesteps} steps: sampled {mean:.1f}")
        # A mean before the first episode ended is NaN.
        if sampled is None or mean >= sampled:
            found = model.evaluate(EPISODES, envs=apart, seed=1_000_000 + seed)
            assert found.episodes == EPISODES
            seen[-1] += f", greedy {found}"
            good.append(found.mean >= greedy)
        return not any(good)

    model.learn(total, callback=play)
    print(algorithm.__name__, env, seed, *seen, sep="\n  ")
    return any(good), seen


#: The settings' number of environments; 1 where none is here.
ENVS = {(wgpo.PPO, "CartPole-v1"): 8, (wgpo.PPO, "Pendulum-v1"): 16, (wgpo.TRPO, "CartPole-v1"): 8}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("algorithm", "env", "greedy", "sampled"),
    [
        (wgpo.PPO, "CartPole-v1", 475.0, 475.0),
        (wgpo.PPO, "Pendulum-v1", -300.0, -300.0),
        (wgpo.TRPO, "CartPole-v1", 475.0, 475.0),
        (wgpo.SAC, "Pendulum-v1", -200.0, None),
    ],
)
def test_learnt(algorithm: Any, env: str, greedy: float, sampled: float | None, seed: int) -> None:
    assert learnt(algorithm, env, greedy, sampled, seed)[0]
