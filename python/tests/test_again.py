"""Training again: a second ``learn``, other counts, interrupted and loaded models, and what the memory then holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import wgpo
from gymnasium.vector import AutoresetMode
from toys import Counter, vector
from wgpo._files import read_bytes
from wgpo._off_policy import _Transitions

SMALL = {"num_envs": 4, "num_steps": 16, "learning_rate": 1e-3, "anneal_lr": True, "verbose": 0, "backend": "cpu"}


def rates(model: Any) -> list[float]:
    return [row["learning_rate"] for row in model.history]


@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize("reset", [False, True])
def test_a_second_training_learns(on_device: bool, reset: bool) -> None:
    """It begins where the schedule of both together is, whatever is shown as their count."""
    model = wgpo.PPO("CartPole-v1", on_device=on_device, **SMALL).learn(128)
    assert rates(model) == pytest.approx([1e-3, 5e-4])
    step = int(read_bytes(model._actor.state())[1].table["optimizer_step"])
    model.learn(128, reset_num_timesteps=reset)
    assert rates(model)[2:] == pytest.approx([5e-4, 2.5e-4])
    assert [row["num_timesteps"] for row in model.history] == [64, 128, *([64, 128] if reset else [192, 256])]
    assert model.num_timesteps == (128 if reset else 256) and model.updates == 4
    # The optimiser goes on, too.
    assert int(read_bytes(model._actor.state())[1].table["optimizer_step"]) == 2 * step
    model.learn(64)
    assert model.num_timesteps == (192 if reset else 320) and rates(model)[-1] > 0.0


@pytest.mark.parametrize("on_device", [False, True])
def test_off_policy_counts_from_0_again(on_device: bool) -> None:
    few = {"learning_starts": 50, "buffer_size": 400, "batch_size": 8, "num_steps": 20, "num_envs": 2}
    model = wgpo.DQN("CartPole-v1", on_device=on_device, verbose=0, backend="cpu", **few).learn(80)
    total = model.config["total_timesteps"]
    model.learn(80, reset_num_timesteps=True)
    assert model.num_timesteps == 80 and model.config["total_timesteps"] == total
    # It does not wait for learning_starts once more.
    assert model.history[-2]["n_updates"] > 0


def test_after_an_interrupt_the_counts_are_the_learners() -> None:
    model = wgpo.PPO("CartPole-v1", **SMALL).learn(64)
    update = model.learner.update

    class Interrupted:
        """Does the update, and then is interrupted."""

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def update(self, rollout: Any) -> Any:
            update(rollout)
            raise KeyboardInterrupt

    real = model.learner
    model.learner = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        model.learn(64)
    model.learner = real
    assert model.num_timesteps == 64
    model.learn(64)
    assert model.num_timesteps == 192 and model.updates == 3 == real.counters()["update"]


def memory(model: Any) -> list[list[tuple[float, float, bool, bool]]]:
    """(reward, next step's number, terminated, truncated) of each environment, in the order of their steps."""
    tensors, found = read_bytes(model.learner.state())
    rows = int(found.table["replay.stored"])
    columns = [
        tensors["replay.rewards"].reshape(rows, -1),
        tensors["replay.next_obs"].reshape(rows, -1, 2)[:, :, 1],
        tensors["replay.terminated"].reshape(rows, -1) != 0,
        tensors["replay.truncated"].reshape(rows, -1) != 0,
    ]
    return [[tuple(column[t, n].item() for column in columns) for t in range(rows)] for n in range(columns[0].shape[1])]


def check_chains(model: Any) -> int:
    """After a step that ends nothing comes the next step of the same episode. Returns how many ended early, but for the newest."""
    early = 0
    for rows in memory(model):
        for (reward, now, terminated, truncated), (after, *_rest) in zip(rows, rows[1:], strict=False):
            if not (terminated or truncated):
                assert after == reward + 1, (reward, after)
            early += truncated and now < 50
    return early


def dqn(mode: AutoresetMode = AutoresetMode.SAME_STEP, **settings: Any) -> Any:
    few = {"learning_starts": 1000, "buffer_size": 2000, "batch_size": 8, "num_steps": 10, "n_steps": 3, **settings}
    envs = vector([lambda: Counter(50), lambda: Counter(50)], mode)
    return wgpo.DQN(envs, verbose=0, backend="cpu", **few)


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP], ids=lambda mode: mode.name)
def test_the_memory_knows_where_environments_were_reset(mode: AutoresetMode, tmp_path: Path) -> None:
    model = dqn(mode).learn(40)
    model.evaluate(2)
    model.learn(40)
    assert check_chains(model) == 2
    # Ctrl-C in the middle of a window.
    step, count = model.envs.step, iter(range(5))

    def stop(actions: Any) -> Any:
        if next(count, None) is None:
            raise KeyboardInterrupt
        return step(actions)

    model.envs.step = stop
    with pytest.raises(KeyboardInterrupt):
        model.learn(40)
    model.envs.step = step
    model.learn(40)
    assert check_chains(model) == 4
    # A loaded model begins new episodes, too.
    model.save(tmp_path / "model.safetensors")
    again = vector([lambda: Counter(50), lambda: Counter(50)], mode)
    loaded = wgpo.DQN.load(tmp_path / "model.safetensors", again, verbose=0, backend="cpu").learn(40)
    assert check_chains(loaded) == 6


def test_waiting_transitions_are_bounded() -> None:
    """One environment ends every step, the other never: what waits is bounded, and a gap is an end."""
    queue, stored = _Transitions(2, limit=5), []
    for t in range(200):
        step = {
            "rewards": np.array([t, t], np.float32),
            "terminated": np.array([t % 2 == 0, False]),
            "truncated": np.zeros(2, np.bool_),
        }
        stored += queue.add(step, np.array([t % 2 == 1, False]))
        assert max(len(waiting) for waiting in queue._waiting) <= 5
    assert len(stored) == 100
    for one, other in zip(stored, stored[1:], strict=False):
        assert one["truncated"][1] or other["rewards"][1] == one["rewards"][1] + 1
        assert other["rewards"][1] > one["rewards"][1] and not one["terminated"][1]


def test_on_device_models_are_loaded(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = wgpo.PPO("CartPole-v1", on_device=True, **SMALL).learn(128)
    model.save(path)
    loaded = wgpo.PPO.load(path, on_device=True, backend="cpu", verbose=0)
    assert loaded.num_timesteps == 128 and loaded.updates == 2 and loaded._trainer.state() == model._trainer.state()
    for one in (model, loaded):
        one.learn(128)
    assert rates(loaded) == rates(model)[2:] and loaded.num_timesteps == 256
    assert loaded._trainer.state() == model._trainer.state()
    other = wgpo.PPO.load(path, "CartPole-v1", on_device=True, backend="cpu", verbose=0, learning_rate=2e-3)
    assert other.config["learning_rate"] == 2e-3 and json.loads(other._trainer.config)["learning_rate"] == 2e-3
    with pytest.raises(wgpo.ConfigError, match="Pendulum"):
        wgpo.PPO.load(path, "Pendulum-v1", on_device=True, backend="cpu")
    with pytest.raises(wgpo.ConfigError, match="seed"):
        wgpo.PPO.load(path, on_device=True, backend="cpu", seed=3)
    wgpo.PPO("CartPole-v1", **SMALL).save(path)
    with pytest.raises(wgpo.ConfigError, match="on_device"):
        wgpo.PPO.load(path, on_device=True, backend="cpu")


def test_on_device_refuses_what_it_has_not() -> None:
    with pytest.raises(wgpo.ConfigError, match="head"):
        wgpo.PPO("CartPole-v1", on_device=True, verbose=0, head={"kind": "categorical", "actions": 2})
    with pytest.raises(wgpo.ConfigError, match="f32"):
        wgpo.PPO("CartPole-v1", on_device=True, verbose=0, dtype="f64")


def test_sac_takes_choices(tmp_path: Path) -> None:
    few = {"learning_starts": 40, "buffer_size": 400, "batch_size": 8, "num_steps": 20}
    model = wgpo.SAC(gym.make_vec("CartPole-v1", num_envs=2), verbose=0, backend="cpu", hidden=[16], **few).learn(160)
    assert model.history[-1]["n_updates"] > 0
    obs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    before = model.learner.state()
    assert set(model.predict(obs)[0].tolist()) <= {0, 1} and model.evaluate(2).episodes == 2
    assert model.learner.state() == before
    model.save(tmp_path / "model.safetensors")
    loaded = wgpo.SAC.load(tmp_path / "model.safetensors", "CartPole-v1", num_envs=2, verbose=0, backend="cpu")
    assert np.array_equal(*(one.predict(obs, deterministic=True)[0] for one in (model, loaded)))
    loaded.learn(80)
    pytest.importorskip("onnxruntime")
    wgpo.to_onnx(model, tmp_path / "policy.onnx")
