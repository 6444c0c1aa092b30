"""Every reset mode gives the same transitions, with the real last observations."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import wgpo
from gymnasium.vector import AutoresetMode
from toys import MODES, Counter, Spaces, vector
from wgpo._envs import Envs, as_vector, autoreset_mode


def transitions(envs: Envs, steps: int) -> list[list[Any]]:
    """(obs, reward, terminated, truncated, next obs) of each environment, without rows that only reset."""
    found: list[list[Any]] = [[] for _ in range(envs.num_envs)]
    envs.reset(seed=3)
    for _ in range(steps):
        before = envs.obs.copy()
        step = envs.step(np.zeros((envs.num_envs, 1), np.int64))
        after = envs.obs if step.last_obs is None else step.last_obs
        for n in range(envs.num_envs):
            if not step.filler[n]:
                found[n].append(
                    (
                        before[n].tolist(),
                        float(step.rewards[n]),
                        bool(step.terminated[n]),
                        bool(step.truncated[n]),
                        after[n].tolist(),
                    )
                )
    return found


def test_modes_agree() -> None:
    lengths = [3, 5, 4]
    every = [transitions(Envs(vector([lambda n=n: Counter(n, n != 5) for n in lengths], mode)), 40) for mode in MODES]
    same, after, disabled = every
    assert same == disabled
    for one, other, length in zip(same, after, lengths, strict=True):
        # A row of each episode only resets in NEXT_STEP mode.
        assert len(one) == 40 and 40 - len(other) in (40 // (length + 1), 40 // (length + 1) - 1)
        assert one[: len(other)] == other
    first = same[0]
    assert first[2] == ([0.0, 2.0], 3.0, False, True, [0.0, 3.0])
    assert first[3][0] == [1.0, 0.0]
    assert same[1][4][2:4] == (True, False)


def test_episodes_are_counted() -> None:
    for mode in MODES:
        envs = Envs(vector([lambda: Counter(3), lambda: Counter(4)], mode))
        transitions(envs, 9)
        assert (6.0, 3) in envs.episodes and (10.0, 4) in envs.episodes and (306.0, 3) in envs.episodes


def test_filler_rows_are_masked_in_the_rollout() -> None:
    envs = vector([lambda: Counter(3), lambda: Counter(8)], AutoresetMode.NEXT_STEP)
    model = wgpo.PPO(envs, preset="sb3", num_steps=8, minibatch_size=8, verbose=0, backend="cpu")
    rollout = model.collect()
    assert rollout["autoreset"] == "next_step"
    assert rollout["truncated"][:, 0].tolist() == [False, False, True, False, False, False, True, False]
    # The row after an end shows the real last observation, and its reward is 0.
    assert rollout["obs"][3, 0].tolist() == [0.0, 3.0] and rollout["rewards"][3, 0] == 0.0
    # Each minibatch of the update counts the rows that are transitions.
    stats = model.learner.update(rollout)
    fillers = 2
    rows = sum(one["rows"] for one in stats["minibatches"][:2])
    assert rows == 16 - fillers, rows
    # The second window begins in the middle of what the first left.
    second = model.collect()
    assert second["ended_before"].tolist() == [False, True]


def test_final_values_are_of_the_real_last_observations() -> None:
    model = wgpo.PPO(
        vector([lambda: Counter(3)]), preset="sb3", num_steps=8, minibatch_size=8, verbose=0, backend="cpu"
    )
    rollout = model.collect()
    wanted = model.learner.values(np.array([[0.0, 3.0]], np.float32))
    assert rollout["final_values"][2, 0] == pytest.approx(float(wanted[0]), abs=1e-6)
    assert rollout["final_values"][[0, 1, 3, 4], 0].tolist() == [0.0] * 4


def test_the_mode_is_never_guessed() -> None:
    envs = vector([lambda: Counter(3)])
    del envs.metadata["autoreset_mode"]
    with pytest.raises(ValueError, match="autoreset_mode"):
        autoreset_mode(envs)
    envs.metadata["autoreset_mode"] = "NextStep"
    assert autoreset_mode(envs) is AutoresetMode.NEXT_STEP


def test_without_final_obs_it_is_an_error() -> None:
    envs = Envs(vector([lambda: Counter(1)]))
    envs.reset()
    step = envs.envs.step
    envs.envs.step = lambda actions: (*step(actions)[:4], {})  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="final_obs"):
        envs.step(np.zeros((1, 1), np.int64))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.Box(-1, 1, (2, 3), np.float32),
        gym.spaces.Discrete(4, start=2),
        gym.spaces.MultiDiscrete([2, 3]),
        gym.spaces.MultiBinary(5),
        gym.spaces.Dict({"b": gym.spaces.Box(-1, 1, (2,), np.float64), "a": gym.spaces.Discrete(3)}),
    ],
    ids=lambda space: type(space).__name__,
)
def test_observation_spaces(space: Any, mode: AutoresetMode) -> None:
    envs = vector([lambda: Spaces(space, gym.spaces.Discrete(2)) for _ in range(2)], mode)
    model = wgpo.PPO(envs, num_steps=16, verbose=0, backend="cpu").learn(32)
    width = gym.spaces.utils.flatdim(space)
    assert model.spec["obs_dim"] == width
    one = space.sample()
    flat = gym.spaces.utils.flatten(space, one)
    codec = model.obs_codec
    assert codec is not None
    batch, single = codec.single(one)
    assert single
    ours = codec.obs(batch, 1)[0]
    if isinstance(space, gym.spaces.Dict):
        assert sorted(ours.tolist()) == pytest.approx(sorted(np.asarray(flat, np.float32).tolist()))
    else:
        assert ours.tolist() == pytest.approx(np.asarray(flat, np.float32).tolist())
    actions, _ = model.predict(one, deterministic=True)
    assert actions in (0, 1) and np.ndim(actions) == 0


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.Discrete(3, start=-1),
        gym.spaces.MultiDiscrete([2, 4]),
        gym.spaces.MultiBinary(3),
        gym.spaces.Box(-2, 2, (2,), np.float32),
        gym.spaces.Box(-np.inf, np.inf, (2, 2), np.float32),
        gym.spaces.Box(np.array([0.0, -1.0]), np.array([0.5, 3.0]), dtype=np.float64),
    ],
    ids=str,
)
@pytest.mark.parametrize("algorithm", [wgpo.PPO, wgpo.A2C, wgpo.TRPO, wgpo.NPG, wgpo.PPOPenalty])
def test_action_spaces(space: Any, algorithm: Any) -> None:
    """The environment itself refuses an action that its space does not hold."""
    makers = [lambda: Spaces(gym.spaces.Box(-1, 1, (3,), np.float32), space) for _ in range(2)]
    model = algorithm(vector(makers), num_steps=8, verbose=0, backend="cpu").learn(32)
    action, _ = model.predict(np.zeros(3, np.float32))
    assert space.contains(action), action


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (gym.spaces.Box(0, 255, (84, 84, 3), np.uint8), "image"),
        (gym.spaces.Tuple([gym.spaces.Discrete(2)]), "Tuple"),
        (gym.spaces.Text(4), "Text"),
    ],
    ids=["image", "tuple", "text"],
)
def test_observation_spaces_that_cannot_be(space: Any, words: str) -> None:
    with pytest.raises(wgpo.SpaceError, match=words):
        wgpo.PPO(Spaces(space, gym.spaces.Discrete(2)), verbose=0)


def test_action_spaces_that_cannot_be() -> None:
    box = gym.spaces.Box(-1, 1, (3,), np.float32)
    with pytest.raises(wgpo.SpaceError, match="floats"):
        wgpo.PPO(Spaces(box, gym.spaces.Box(0, 9, (2,), np.int64)), verbose=0)
    with pytest.raises(wgpo.SpaceError, match="Dict"):
        wgpo.PPO(Spaces(box, gym.spaces.Dict({"a": gym.spaces.Discrete(2)})), verbose=0)
    with pytest.raises(wgpo.SpaceError, match="Discrete"):
        wgpo.DQN(Spaces(box, box), verbose=0)
    with pytest.raises(wgpo.SpaceError, match="bounds"):
        wgpo.SAC(Spaces(box, gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)), verbose=0)
    with pytest.raises(TypeError, match="expected a Gymnasium environment"):
        wgpo.PPO(3, verbose=0)


def test_a_single_environment_is_wrapped() -> None:
    assert as_vector(Counter(3)).num_envs == 1
    assert as_vector("CartPole-v1", 3).num_envs == 3
