"""Training, prediction, evaluation, files."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import wgpo
from gymnasium.vector import AutoresetMode
from toys import MODES, Counter, Masked, vector


def cartpole(mode: AutoresetMode = AutoresetMode.NEXT_STEP, envs: int = 8) -> Any:
    return gym.make_vec("CartPole-v1", num_envs=envs, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode})


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_cartpole_is_learnt_in_every_reset_mode(mode: AutoresetMode) -> None:
    model = wgpo.PPO(cartpole(mode), seed=1, verbose=0, backend="cpu", preset="tuned", num_envs=8).learn(60_000)
    found = model.evaluate(20)
    # A policy that does not learn stays near 22.
    assert found.mean > 300, (mode, found, model.history[-1]["ep_rew_mean"])
    assert found.episodes == 20 and found.min <= found.mean <= found.max


@pytest.mark.parametrize("algorithm", [wgpo.PPO, wgpo.PPOPenalty, wgpo.TRPO, wgpo.NPG, wgpo.A2C])
def test_same_seed_same_bits(algorithm: Any) -> None:
    runs = [algorithm(cartpole(), num_steps=32, seed=5, verbose=0, backend="cpu").learn(512) for _ in range(2)]
    one, other = (run.parameters() for run in runs)
    assert all(np.array_equal(one[name], other[name]) for name in one)
    third = algorithm(cartpole(), num_steps=32, seed=6, verbose=0, backend="cpu").learn(512).parameters()
    assert any(not np.array_equal(one[name], third[name]) for name in one)


@pytest.mark.parametrize("name", wgpo.PPO.presets())
def test_presets_train(name: str) -> None:
    model = wgpo.PPO(
        gym.make_vec("Pendulum-v1", num_envs=2), preset=name, num_steps=64, verbose=0, backend="cpu"
    ).learn(128)
    assert model.updates == 1 and np.isfinite(model.history[0]["value_loss"])


def test_settings_by_name() -> None:
    model = wgpo.PPO(
        cartpole(),
        learning_rate=1e-3,
        target_kl=0.02,
        num_steps=16,
        max_grad_norm="off",
        hidden=[8],
        activation="relu",
        verbose=0,
        backend="cpu",
    )
    assert (
        model.config["learning_rate"] == 1e-3
        and model.config["target_kl"] == 0.02
        and model.config.get("max_grad_norm") is None
    )
    assert model.spec["policy_hidden"] == [8] and model.spec["activation"] == "relu"
    assert "learning_rate" in wgpo.PPO.config_keys()
    trpo = wgpo.TRPO(cartpole(), trust_region={"max_kl": 0.02}, verbose=0, backend="cpu")
    assert trpo.config["trust_region"]["max_kl"] == 0.02


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lerning_rate": 1e-3}, "learning_rate"),
        ({"n_steps": 5}, "num_steps"),
        ({"clip_range": 0.1}, "clip_coef"),
        ({"preset": "cleanrk"}, "cleanrl"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"num_envs": 3}, "8"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        wgpo.PPO(cartpole(), verbose=0, backend="cpu", **settings)


def test_a_setting_of_another_algorithm_is_refused() -> None:
    with pytest.raises(wgpo.WgpoError, match="clip_coef"):
        wgpo.TRPO(cartpole(), clip_coef=0.1, verbose=0, backend="cpu")


def test_backend_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    wgpo.PPO(cartpole(), backend="cpu")
    assert "cpu" in capsys.readouterr().out.lower()
    with pytest.raises(wgpo.WgpoError):
        wgpo.PPO(cartpole(), backend="no such adapter")


def test_predict() -> None:
    model = wgpo.PPO(cartpole(), verbose=0, backend="cpu")
    one, state = model.predict(np.zeros(4, np.float32), deterministic=True)
    assert one.shape == () and state is None
    batch, _ = model.predict(np.zeros((5, 4), np.float64))
    assert batch.shape == (5,) and set(batch.tolist()) <= {0, 1}
    with pytest.raises(wgpo.WgpoError):
        model.predict(np.zeros((5, 3), np.float32))


def test_saved_and_loaded(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = wgpo.PPO(cartpole(), num_steps=32, seed=2, verbose=0, backend="cpu").learn(512)
    model.save(path)
    obs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    wanted, _ = model.predict(obs, deterministic=True)
    bare = wgpo.PPO.load(path, backend="cpu")
    assert np.array_equal(bare.predict(obs, deterministic=True)[0], wanted)
    assert bare.num_timesteps == model.num_timesteps == 512
    with pytest.raises(ValueError, match="give envs"):
        bare.learn(10)
    assert bare.evaluate(3, envs="CartPole-v1").episodes == 3
    again = wgpo.PPO.load(path, cartpole(), learning_rate=1e-4, backend="cpu", verbose=0).learn(256)
    assert again.config["learning_rate"] == 1e-4 and again.num_timesteps == 768
    with pytest.raises(ValueError, match="ppo"):
        wgpo.A2C.load(path)
    with pytest.raises(ValueError, match="observations have 3 numbers"):
        wgpo.PPO.load(path, "Pendulum-v1")


def test_a_loaded_model_goes_on_as_the_first_would(tmp_path: Path) -> None:
    """The optimiser's moments and the counters of the draws are in the file."""
    envs = lambda: vector([lambda: Counter(7), lambda: Counter(5)])  # noqa: E731
    whole = wgpo.PPO(envs(), num_steps=16, anneal_lr=False, seed=2, verbose=0, backend="cpu").learn(64)
    window = whole.collect()
    path = tmp_path / "model.safetensors"
    whole.save(path)
    loaded = wgpo.PPO.load(path, envs(), verbose=0, backend="cpu")
    whole.learner.update(window)
    loaded.learner.update(window)
    one, other = whole.parameters(), loaded.parameters()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_callbacks_and_log(tmp_path: Path) -> None:
    seen: list[int] = []

    def stop(progress: wgpo.Progress) -> bool:
        seen.append(progress.num_timesteps)
        assert progress.row["update"] == len(seen) and progress.stats["optimizer_steps"] > 0
        return len(seen) < 3

    model = wgpo.PPO(cartpole(), num_steps=32, verbose=0, backend="cpu").learn(
        10_000, callback=[stop], log_dir=tmp_path, progress_bar=True
    )
    assert seen == [256, 512, 768] and model.num_timesteps == 768 and len(model.history) == 3
    with (tmp_path / "metrics.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    assert [int(row["num_timesteps"]) for row in rows] == seen and float(rows[0]["approx_kl"]) >= 0.0


def test_tensorboard_has_the_words_of_sb3(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    wgpo.PPO(cartpole(), num_steps=64, verbose=0, backend="cpu").learn(1024, log_dir=tmp_path)
    events = reader.EventAccumulator(str(tmp_path))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    wanted = {
        "rollout/ep_rew_mean",
        "rollout/ep_len_mean",
        "time/fps",
        "train/approx_kl",
        "train/clip_fraction",
        "train/clip_range",
        "train/entropy_loss",
    }
    wanted |= {
        "train/explained_variance",
        "train/learning_rate",
        "train/loss",
        "train/policy_gradient_loss",
        "train/value_loss",
    }
    assert wanted <= tags, wanted - tags
    assert [event.step for event in events.Scalars("train/approx_kl")] == [512, 1024]


def test_the_programs_event_files_are_read_by_tensorboard(tmp_path: Path) -> None:
    """A sitting that was killed after its last save: what it did later is forgotten where the run goes on."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train = [sys.executable, "-m", "wgpo", "train", "cartpole", "--backend", "cpu", "--eval-episodes", "0"]
    run = [*train, "--hidden", "8", "--envs", "4", "--rollout", "16", "--steps", "640", "--out", "r", "--tensorboard"]

    def say(words: list[str]) -> None:
        subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, timeout=120)

    say([*run, "--pause-after", "3"])
    saved = (tmp_path / "r" / "policy.safetensors").read_bytes()
    say([*train, "--resume", "--out", "r", "--pause-after", "4"])
    (tmp_path / "r" / "policy.safetensors").write_bytes(saved)
    say([*train, "--resume", "--out", "r", "--pause-after", "2"])
    events = reader.EventAccumulator(str(tmp_path / "r"))
    events.Reload()
    with (tmp_path / "r" / "metrics.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    assert len(list((tmp_path / "r").glob("events.out.tfevents.*"))) == 3
    assert [event.step for event in events.Scalars("train/explained_variance")] == [64, 128, 192, 256, 320]
    found = [event.value for event in events.Scalars("train/learning_rate")]
    assert found == pytest.approx([float(row["learning_rate"]) for row in rows], rel=1e-6)
    assert {"rollout/ep_rew_mean", "train/approx_kl", "train/clip_range", "time/fps"} <= set(events.Tags()["scalars"])


def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    model = wgpo.PPO(cartpole(), num_steps=32, verbose=0, backend="cpu")
    with pytest.raises(ValueError, match="learn"):
        model.plot()
    axes = model.learn(2048).plot(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000 and axes.get_xlabel() == "environment steps"


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_masks(mode: AutoresetMode) -> None:
    """The environment raises at an action that its mask forbids."""
    model = wgpo.PPO(
        vector([lambda: Masked(5, 1) for _ in range(3)], mode), num_steps=24, verbose=0, backend="cpu"
    ).learn(144)
    assert model.spec["head"]["masked"] is True
    assert model.evaluate(4).mean == 7.0
    obs, _ = Masked(5, 2).reset(seed=1)
    for deterministic in (True, False):
        action, _ = model.predict(obs, deterministic=deterministic)
        assert obs["action_mask"][action] == 1


def test_learning_rate_falls_to_the_end_of_the_training() -> None:
    model = wgpo.PPO(cartpole(), num_steps=32, learning_rate=1e-3, verbose=0, backend="cpu").learn(4 * 256)
    assert [row["learning_rate"] for row in model.history] == pytest.approx([1e-3, 7.5e-4, 5e-4, 2.5e-4])


def test_sb3_evaluates_our_model() -> None:
    evaluation = pytest.importorskip("stable_baselines3.common.evaluation")
    model = wgpo.PPO(cartpole(), verbose=0, backend="cpu")
    mean, _ = evaluation.evaluate_policy(model, gym.make("CartPole-v1"), n_eval_episodes=3, warn=False)
    assert mean >= 8


def test_on_device() -> None:
    model = wgpo.PPO("CartPole-v1", on_device=True, backend="cpu", seed=1, verbose=0).learn(20_000)
    assert model.num_timesteps >= 20_000 and model.history[-1]["ep_rew_mean"] > 40
    assert model.evaluate(10).episodes == 10
    action, _ = model.predict(np.zeros(4, np.float32), deterministic=True)
    assert action in (0, 1)
    with pytest.raises(TypeError, match="id"):
        wgpo.PPO(cartpole(), on_device=True, verbose=0)
    with pytest.raises(ValueError, match="built-in"):
        wgpo.PPO("CartPole-v7", on_device=True, verbose=0)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize(
    ("algorithm", "env"),
    [(wgpo.DQN, "CartPole-v1"), (wgpo.DDPG, "Pendulum-v1"), (wgpo.TD3, "Pendulum-v1"), (wgpo.SAC, "Pendulum-v1")],
)
def test_off_policy(algorithm: Any, env: str, mode: AutoresetMode, tmp_path: Path) -> None:
    envs = gym.make_vec(env, num_envs=2, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode})
    model = algorithm(
        envs, verbose=0, backend="cpu", hidden=[16], learning_starts=100, buffer_size=1000, batch_size=16, num_steps=50
    ).learn(400, log_dir=tmp_path)
    assert model.num_timesteps == 400 and model.learner.stored >= 340
    assert np.isfinite(model.history[-1]["loss" if algorithm is wgpo.DQN else "critic_loss"])
    assert model.history[-1]["n_updates"] > 0
    with (tmp_path / "metrics.csv").open() as opened:
        last = list(csv.DictReader(opened))[-1]
    assert float(last["n_updates"]) > 0 and np.isfinite(float(last["loss" if algorithm is wgpo.DQN else "critic_loss"]))
    model.save(tmp_path / "model.safetensors")
    obs = np.random.default_rng(0).normal(size=(9, model.spec["obs_dim"])).astype(np.float32)
    loaded = algorithm.load(tmp_path / "model.safetensors", backend="cpu", verbose=0)
    wanted, found = (np.asarray(one.predict(obs, deterministic=True)[0]).reshape(9, -1) for one in (model, loaded))
    assert np.allclose(wanted, found)
    if algorithm is not wgpo.DQN:
        assert np.abs(wanted).max() <= 2.0


def test_limits_of_a_deviation() -> None:
    def std(algorithm: Any, env: str, **arguments: Any) -> Any:
        return algorithm(env, verbose=0, backend="cpu", hidden=[8], **arguments).spec["head"].get("std")

    tanh, clamp = {"tanh": {"low": -5.0, "high": 2.0}}, {"clamp": {"low": -20.0, "high": 2.0}}
    for on_device in (False, True):
        # Without a preset, settings are CleanRL's in Gymnasium, and tuned on the device.
        for preset, limit in ((None, clamp if on_device else tanh), ("cleanrl", tanh), ("sb3", clamp), ("tuned", clamp)):
            found = std(wgpo.SAC, "Pendulum-v1", preset=preset, on_device=on_device)
            assert found["from_state"] and found["limit"] == limit, (preset, on_device)
        own = {"tanh": {"low": -3.0, "high": 1.0}}
        for algorithm in (wgpo.SAC, wgpo.PPO):
            assert std(algorithm, "Pendulum-v1", std_limit=own, on_device=on_device)["limit"] == own
        with pytest.raises(wgpo.ConfigError, match="td3's actor has no deviation"):
            std(wgpo.TD3, "Pendulum-v1", std_limit=own, on_device=on_device)
        with pytest.raises(wgpo.ConfigError, match="a categorical head has no deviation"):
            std(wgpo.PPO, "CartPole-v1", std_limit="free", on_device=on_device)
        with pytest.raises(wgpo.WgpoError, match="within a clamp or by tanh"):
            std(wgpo.SAC, "Pendulum-v1", std_limit="free", on_device=on_device)
    with pytest.raises(wgpo.WgpoError, match=r"\[1, -1\]"):
        std(wgpo.PPO, "Pendulum-v1", std_limit={"tanh": {"low": 1.0, "high": -1.0}})
    head = {"kind": "gaussian", "dims": 1, "bounds": {"low": [-2.0], "high": [2.0]}}
    deviation = {"from_state": True, "limit": clamp}
    assert std(wgpo.SAC, "Pendulum-v1", head={**head, "std": deviation})["limit"] == clamp


def test_off_policy_stores_each_transition_once() -> None:
    """In NEXT_STEP mode rows that only reset are left out, and each environment's transitions keep their order."""
    from wgpo._off_policy import _Transitions

    queue, stored = _Transitions(2), []
    for t in range(6):
        filler = np.array([t in (2, 5), t == 3])
        stored += queue.add({"rewards": np.array([t, 10 + t], np.float32)}, filler)
    assert [one["rewards"].tolist() for one in stored] == [[0, 10], [1, 11], [3, 12], [4, 14]]


def test_ctrl_c_leaves_a_whole_state() -> None:
    import signal
    import threading
    import time

    model = wgpo.PPO(cartpole(), num_steps=64, verbose=0, backend="cpu")
    at: list[float] = []

    def press() -> None:
        at.append(time.perf_counter())
        signal.raise_signal(signal.SIGINT)

    timer = threading.Timer(0.5, press)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.learn(10_000_000)
    assert time.perf_counter() - at[0] < 1.0
    timer.join()
    # The update that was under way ends by itself, and its steps are counted at the next `learn`.
    done = int(model.learner.counters()["env_steps"])
    assert done - model.num_timesteps in (0, 64 * 8)
    assert all(np.isfinite(value).all() for value in model.parameters().values())
    model.learn(512)
    assert model.num_timesteps == done + 512 and np.isfinite(model.history[-1]["value_loss"])


def test_other_environments() -> None:
    model = wgpo.PPO("Pendulum-v1", preset="cleanrl", num_steps=32, num_minibatches=2, verbose=0, backend="cpu").learn(
        64
    )
    before = model.parameters()
    model.set_envs(gym.make_vec("Pendulum-v1", num_envs=3))
    assert model.config["num_envs"] == 3
    assert all(np.array_equal(value, before[name]) for name, value in model.parameters().items())
    model.learn(96)
    with pytest.raises(wgpo.ConfigError, match="4 numbers"):
        model.set_envs("CartPole-v1")
    assert model.learn(96).num_timesteps == 64 + 96 + 96
    with pytest.raises(wgpo.ConfigError, match="head"):
        wgpo.PPO("CartPole-v1", verbose=0, backend="cpu").set_envs(
            vector([lambda: __import__("toys").Spaces(gym.spaces.Box(-1, 1, (4,), np.float32), gym.spaces.Discrete(3))])
        )


def test_a_dueling_network(tmp_path: Path) -> None:
    few = {"learning_starts": 50, "buffer_size": 500, "batch_size": 16, "num_steps": 50}
    model = wgpo.DQN(cartpole(envs=2), dueling=True, hidden=[16], verbose=0, backend="cpu", **few).learn(200)
    assert {"policy.1.bias", "value.1.bias"} <= set(model.parameters())
    pytest.importorskip("onnxruntime")
    wgpo.to_onnx(model, tmp_path / "policy.onnx")
