"""What only looks leaves the model alone, to the bit; what raises does, too."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import wgpo
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from toys import Masked, vector

FEW = {"buffer_size": 300, "batch_size": 8, "num_steps": 20}
CASES: list[Any] = [
    (wgpo.PPO, "Pendulum-v1", {"preset": "cleanrl", "num_steps": 32, "num_minibatches": 2}),
    (wgpo.PPO, "CartPole-v1", {"num_steps": 32}),
    (wgpo.A2C, "CartPole-v1", {"dtype": "f64"}),
    (wgpo.DQN, "CartPole-v1", {"learning_starts": 1000, **FEW}),
    (wgpo.TD3, "Pendulum-v1", {"learning_starts": 1000, **FEW}),
    (wgpo.SAC, "Pendulum-v1", {"learning_starts": 20, **FEW}),
]


@pytest.mark.parametrize(("algorithm", "env", "settings"), CASES, ids=lambda value: str(value)[:40])
def test_drawing_leaves_the_model_as_it_is(algorithm: Any, env: str, settings: dict[str, Any]) -> None:
    model = algorithm(env, num_envs=2, verbose=0, backend="cpu", **settings).learn(80)
    before = model.learner.state()
    obs = np.full((3, model.spec["obs_dim"]), 9, np.float32)
    model.predict(obs, deterministic=True)
    model.predict(obs, deterministic=False)
    model.evaluate(2, deterministic=False, envs=env)
    assert model.learner.state() == before


@pytest.mark.parametrize(
    ("algorithm", "env"),
    [(wgpo.PPO, "CartPole-v1"), (wgpo.PPO, "Pendulum-v1"), (wgpo.DQN, "CartPole-v1"), (wgpo.SAC, "Pendulum-v1")],
)
def test_drawing_leaves_a_model_on_the_device_as_it_is(algorithm: Any, env: str) -> None:
    few = {"num_envs": 4, "num_steps": 16} | ({"buffer_size": 300} if algorithm is not wgpo.PPO else {})
    model = algorithm(env, on_device=True, verbose=0, backend="cpu", **few).learn(64)
    before = model._trainer.state()
    model.predict(np.full((3, model.spec["obs_dim"]), 9, np.float32))
    model.evaluate(2, deterministic=False)
    assert model._trainer.state() == before


def test_draws_are_of_the_policy() -> None:
    """Mean and spread of drawn actions are those of the model's Gaussian, on observations as its networks see them."""
    model = wgpo.PPO(
        "Pendulum-v1", preset="cleanrl", num_steps=64, num_minibatches=2, verbose=0, backend="cpu", seed=3
    ).learn(128)
    weights = model.parameters()
    weights["policy.2.bias"] = weights["policy.2.bias"] + 0.4
    weights["log_std"] = np.full_like(weights["log_std"], np.log(0.2))
    for shift in (0.0, 0.5):
        weights["policy.2.bias"] = weights["policy.2.bias"] + np.float32(shift)
        model.set_parameters(weights)
        obs = np.tile(np.array([[0.5, -0.5, 3.0]], np.float32), (4000, 1))
        mean = float(model.predict(obs[:1], deterministic=True)[0][0, 0])
        drawn = model.predict(obs)[0][:, 0]
        # Six standard errors.
        assert drawn.mean() == pytest.approx(mean, abs=6 * 0.2 / 4000**0.5)
        assert drawn.std() == pytest.approx(0.2, abs=6 * 0.2 / 8000**0.5)
        assert not np.array_equal(drawn, model.predict(obs)[0][:, 0]), "each call draws anew"


def test_dqn_explores_in_predict_as_it_does_now() -> None:
    settings = {**FEW, "learning_starts": 20, "start_e": 1.0, "end_e": 0.2, "exploration_fraction": 0.5}
    model = wgpo.DQN("CartPole-v1", verbose=0, backend="cpu", **settings).learn(200)
    obs = np.zeros((4000, 4), np.float32)
    greedy = model.predict(obs, deterministic=True)[0]
    # ε is 0.2 now, and half of the random actions are the greedy one.
    share = float(np.mean(model.predict(obs)[0] != greedy))
    assert share == pytest.approx(0.1, abs=6 * (0.09 / 4000) ** 0.5)


def test_sac_draws_of_its_policy_before_it_learns() -> None:
    """Before ``learning_starts`` training draws uniform actions; ``predict`` takes the policy's."""
    model = wgpo.SAC("Pendulum-v1", verbose=0, backend="cpu", learning_starts=10_000, **FEW)
    weights = model.parameters()
    bias = np.array([2.0, -6.0], np.float32)
    model.set_parameters({**weights, "policy.2.bias": bias, "policy.2.weight": 0.0 * weights["policy.2.weight"]})
    drawn = model.predict(np.zeros((500, 3), np.float32))[0]
    assert np.abs(drawn - 2.0 * np.tanh(2.0)).max() < 0.01


def test_masked_draws() -> None:
    model = wgpo.PPO(vector([lambda: Masked(5, 2)]), num_steps=16, verbose=0, backend="cpu").learn(16)
    before = model.learner.state()
    assert model.evaluate(5, deterministic=False).mean == 7.0
    assert model.learner.state() == before


def test_set_envs_that_raises_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = wgpo.PPO(gym.make_vec("CartPole-v1", num_envs=4), num_steps=32, verbose=0, backend="cpu").learn(128)
    before = (model.envs, model.config, model.learner, model.obs_codec, model.action_codec)
    state = model.learner.state()
    from wgpo import _base

    monkeypatch.setattr(_base, "fitted", lambda data, num_envs: data[:100])
    with pytest.raises(ValueError):
        model.set_envs(gym.make_vec("CartPole-v1", num_envs=3))
    after = (model.envs, model.config, model.learner, model.obs_codec, model.action_codec)
    assert all(one is other for one, other in zip(before, after, strict=True))
    assert model.learner.state() == state
    monkeypatch.undo()
    assert model.set_envs(gym.make_vec("CartPole-v1", num_envs=3)).learn(96).num_timesteps == 224


class Walk(gym.Env[Any, Any]):
    """The observation is the step's number."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.now = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.now += 1
        return np.full(1, self.now, np.float32), 1.0, False, self.now >= 10, {}


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP], ids=lambda mode: mode.name)
def test_environments_that_use_their_arrays_again(mode: AutoresetMode) -> None:
    """Without a copy, what was seen before the step would be what was seen after it."""
    envs = SyncVectorEnv([Walk, Walk], copy=False, autoreset_mode=mode)
    from wgpo._files import read_bytes

    model = wgpo.DQN(envs, verbose=0, backend="cpu", **{**FEW, "learning_starts": 1000}).learn(40)
    tensors, _ = read_bytes(model.learner.state())
    obs, after = tensors["replay.obs"].reshape(-1), tensors["replay.next_obs"].reshape(-1)
    stored = model.learner.stored
    assert np.array_equal(after[:stored], obs[:stored] + 1.0), (obs, after)
    envs = SyncVectorEnv([Walk], copy=False, autoreset_mode=mode)
    rollout = wgpo.PPO(envs, num_steps=8, verbose=0, backend="cpu").collect()
    assert rollout["obs"][:, 0, 0].tolist() == list(range(8))
