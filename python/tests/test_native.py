"""The native half: what it takes, what it refuses, and that it computes what the library and the program compute, to the bit."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from wgpo import _native as native
from wgpo._native import ops

CATEGORICAL = json.dumps({"kind": "categorical", "actions": 3})
MASKED = json.dumps({"kind": "multi_discrete", "nvec": [3, 2], "masked": True})
GAUSSIAN = json.dumps({"kind": "gaussian", "dims": 2})
BOUNDED = json.dumps({"kind": "gaussian", "dims": 1, "bounds": {"low": [-2.0], "high": [2.0]}})

STEPS, ENVS, WIDTH = 16, 4, 5


def settings(algo: str = "ppo", **changes: Any) -> str:
    base = native.default_config(algo)
    return native.config_with(algo, base, {"num_envs": ENVS, "num_steps": STEPS, **changes})


def learner(action: str = CATEGORICAL, algo: str = "ppo", dtype: Any = "f32", seed: int = 1, **changes: Any) -> native.Learner:
    spec = native.default_spec(algo, WIDTH, action, hidden=[16, 16])
    return native.Learner(spec, settings(algo, **changes), backend="cpu", seed=seed, dtype=dtype)


def rollout(own: native.Learner, seed: int = 0, mask: bool = False) -> dict[str, Any]:
    """A window that `own` acted in, of random observations."""
    draws = np.random.default_rng(seed)
    steps: dict[str, list[Any]] = {name: [] for name in ("obs", "actions", "logp", "values", "allowed")}
    for _ in range(STEPS):
        obs = draws.normal(size=(ENVS, WIDTH)).astype(np.float32)
        allowed = np.ones((ENVS, 5), bool) if mask else None
        if allowed is not None:
            allowed[:, 1] = draws.random(ENVS) < 0.5
        acted = own.act(obs, allowed)
        for name in ("obs", "actions", "logp", "values"):
            steps[name].append(acted[name])  # type: ignore[literal-required]
        steps["allowed"].append(allowed)
    last = own.values(draws.normal(size=(ENVS, WIDTH)).astype(np.float32))
    terminated = draws.random((STEPS, ENVS)) < 0.1
    window: dict[str, Any] = {name: np.stack(steps[name]) for name in ("obs", "actions", "logp")}
    window["values"] = np.stack([*steps["values"], last])
    window["rewards"] = draws.normal(size=(STEPS, ENVS)).astype(np.float32)
    window["terminated"], window["truncated"] = terminated, np.zeros_like(terminated)
    if mask:
        window["allowed"] = np.stack(steps["allowed"])
    return window


# What acts and learns.


@pytest.mark.parametrize("action", [CATEGORICAL, GAUSSIAN, BOUNDED])
def test_acting_gives_a_row_for_each_observation(action: str) -> None:
    own = learner(action)
    acted = own.act(np.zeros((7, WIDTH), np.float32))
    dims = 2 if action is GAUSSIAN else 1
    kind = np.int64 if action is CATEGORICAL else np.float32
    for name in ("actions", "env_actions"):
        assert acted[name].shape == (7, dims) and acted[name].dtype == kind  # type: ignore[literal-required]
    assert acted["logp"].shape == acted["values"].shape == (7,)
    assert acted["obs"].shape == (7, WIDTH)
    if action is BOUNDED:
        assert np.abs(acted["env_actions"]).max() <= 2
    again = own.act(np.zeros((7, WIDTH), np.float32), mode="greedy")
    assert np.array_equal(again["actions"], own.act(np.zeros((7, WIDTH), np.float32), mode="greedy")["actions"])


def test_arrays_of_any_layout_and_library_are_read_alike() -> None:
    own = learner()
    obs = np.random.default_rng(3).normal(size=(6, WIDTH)).astype(np.float32)
    want = own.act(obs, mode="greedy")["values"]

    class Lends:
        """What another library's array on the CPU offers."""

        def __dlpack__(self, **how: Any) -> Any:
            return obs.__dlpack__(**how)

        def __dlpack_device__(self) -> tuple[int, int]:
            return obs.__dlpack_device__()  # type: ignore[return-value]

    for given in [np.asfortranarray(obs), obs.astype(np.float64), obs[::1], np.stack([obs, obs], 2)[..., 0], obs.tolist(), Lends()]:
        assert np.array_equal(own.act(given, mode="greedy")["values"], want)
    frozen = obs.copy()
    frozen.flags.writeable = False
    assert np.array_equal(own.act(frozen, mode="greedy")["values"], want)


def off_by_one(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same numbers in memory that begins a byte after where its type must."""
    made = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    made[...] = array
    assert made.flags.c_contiguous and not made.flags.aligned
    return made


def test_arrays_in_memory_that_is_not_aligned_are_read_alike() -> None:
    ones, twos = learner(), learner()
    obs = np.random.default_rng(3).normal(size=(6, WIDTH)).astype(np.float32)
    want = ones.act(obs, mode="greedy")["values"]
    for given in (obs, obs.astype(np.float64), obs.astype(">f4")):
        assert np.array_equal(ones.act(off_by_one(given), mode="greedy")["values"], want)
    window = rollout(ones)
    rollout(twos)
    order = np.stack([np.random.default_rng(epoch).permutation(STEPS * ENVS) for epoch in range(4)]).astype(np.int64)
    apart = {name: array if array.dtype == bool else off_by_one(array) for name, array in window.items()}
    assert ones.update(window, order) == twos.update(apart, off_by_one(order))
    assert np.array_equal(ones.parameters(), twos.parameters())
    parameters = ones.parameters()
    twos.set_parameters(off_by_one(parameters))
    assert np.array_equal(twos.parameters(), parameters)
    rewards, values, ends = np.ones(3), np.arange(4.0), np.zeros(3)
    want_gae, _ = ops.gae(rewards, values, ends, dtype="f64")
    assert np.array_equal(ops.gae(off_by_one(rewards), off_by_one(values), off_by_one(ends), dtype="f64")[0], want_gae)


def test_flags_of_any_byte_are_true_as_numpy_has_them() -> None:
    """An array of bytes that is viewed as flags holds what a flag of Rust's may not."""
    ones, twos = learner(MASKED), learner(MASKED)
    window = rollout(ones, mask=True)
    rollout(twos, mask=True)
    odd = {}
    for name, array in window.items():
        if array.dtype == bool:
            spread = np.zeros((*array.shape, 2), np.uint8)
            spread[..., 0] = array * np.random.default_rng(0).integers(1, 256, array.shape)
            # In steps of two bytes, too.
            odd[name] = spread.view(bool)[..., 0]
            assert np.array_equal(odd[name], array) and (spread.max() > 1) == array.any()
    assert set(odd) == {"terminated", "truncated", "allowed"}
    assert ones.update(window) == twos.update({**window, **odd})
    assert np.array_equal(ones.parameters(), twos.parameters())
    obs, mask = window["obs"][0], odd["allowed"][0]
    assert np.array_equal(ones.act(obs, mask)["actions"], twos.act(obs, np.array(mask, np.int64))["actions"])


@pytest.mark.parametrize("algo", ["ppo", "ppo-penalty", "trpo", "npg", "a2c", "reinforce"])
@pytest.mark.parametrize("action", [CATEGORICAL, GAUSSIAN, MASKED])
def test_an_update_moves_the_parameters_and_says_what_it_did(algo: str, action: str) -> None:
    own = learner(action, algo)
    window = rollout(own, mask=action is MASKED)
    before = own.parameters()
    stats = own.update(window)
    assert stats["not_finite"] is None and stats["skipped_steps"] == 0
    assert not np.array_equal(before, own.parameters())
    assert np.isfinite(stats["entropy"] if stats["trust_region"] is None else stats["trust_region"]["entropy"])
    assert len(stats["minibatches"]) >= 1 or algo in ("npg", "trpo")
    assert own.counters()["update"] == 1 and own.counters()["env_steps"] == STEPS * ENVS
    if algo == "ppo":
        assert set(stats["minibatches"][0]) >= {"rows", "policy_loss", "approx_kl", "clipfrac", "grad_norm", "stepped"}


def test_the_same_bits_whatever_the_shape_and_type_of_the_arrays() -> None:
    ones, twos = learner(), learner()
    window = rollout(ones)
    rollout(twos)
    flat = {
        "obs": window["obs"].reshape(STEPS * ENVS, WIDTH).astype(np.float64),
        "actions": window["actions"].reshape(STEPS, ENVS).astype(np.uint8),
        "logp": window["logp"].reshape(-1),
        "rewards": window["rewards"].astype(np.float64),
        "values": window["values"],
        "terminated": window["terminated"].astype(np.int64),
        "truncated": window["truncated"].astype(np.float32),
        "final_values": None,
        "autoreset": "same_step",
    }
    one, two = ones.update(window), twos.update(flat)
    assert one == two
    assert np.array_equal(ones.parameters(), twos.parameters())


def test_rows_with_given_advantages_and_an_order_are_the_same_update() -> None:
    ones, twos = learner(norm_adv="none"), learner(norm_adv="none")
    window = rollout(ones)
    rollout(twos)
    order = np.stack([np.random.default_rng(epoch).permutation(STEPS * ENVS) for epoch in range(4)])
    ones.update(window, order)
    advantages, returns = ops.gae(
        window["rewards"], window["values"], window["terminated"], gamma=0.99, gae_lambda=0.95
    )
    batch = {name: window[name] for name in ("obs", "actions")}
    batch |= {"logp_old": window["logp"], "advantages": advantages, "returns": returns, "values_old": window["values"][:-1]}
    twos.update_batch(batch, order.reshape(-1))
    assert np.array_equal(ones.parameters(), twos.parameters())


def test_double_precision_is_near_single() -> None:
    single, double = learner(), learner(dtype="f64")
    window = rollout(single)
    one, two = single.update(window), double.update(window)
    assert double.dtype == "f64"
    assert one["value_loss"] == pytest.approx(two["value_loss"], rel=1e-3)
    # Sixteen steps of Adam of 2.5e-4 each; where a gradient is near 0 its sign may differ.
    assert np.abs(single.parameters() - double.parameters()).max() < 16 * 2 * 2.5e-4


def test_parameters_by_number_and_by_name() -> None:
    own = learner()
    named = own.named_parameters()
    assert named["policy.0.weight"].shape == (16, WIDTH)
    assert sum(tensor.size for tensor in named.values()) == own.parameters().size
    other = learner(seed=2)
    other.set_named_parameters(named)
    assert np.array_equal(other.parameters(), own.parameters())
    other.set_named_parameters({"policy.2.bias": [1.0, 2.0, 3.0]})
    assert other.named_parameters()["policy.2.bias"].tolist() == [1, 2, 3]
    other.set_parameters(own.parameters())
    assert np.array_equal(other.parameters(), own.parameters())
    with pytest.raises(native.ConfigError, match="did you mean policy.0.weight"):
        own.set_named_parameters({"policy.0.weigth": named["policy.0.weight"]})
    with pytest.raises(native.ShapeError, match=r"\[16, 5\]"):
        own.set_named_parameters({"policy.0.weight": named["policy.0.weight"].T})
    with pytest.raises(native.DataError, match="finite"):
        own.set_parameters(own.parameters() * np.nan)
    with pytest.raises(native.ShapeError):
        own.set_parameters([1.0])
    assert np.array_equal(other.parameters(), own.parameters())


def test_a_state_is_all_of_it(tmp_path: pathlib.Path) -> None:
    own = learner()
    own.update(rollout(own))
    own.save(tmp_path / "own.safetensors")
    assert own.state() == (tmp_path / "own.safetensors").read_bytes()
    loaded = native.Learner.load(tmp_path / "own.safetensors", backend="cpu")
    other = learner(seed=99)
    other.load_state(own.state())
    assert other.seed == loaded.seed == own.seed == 1
    window = rollout(own, seed=5)
    for again in (other, loaded):
        rollout(again, seed=5)
    own.update(window)
    for again in (other, loaded):
        again.update(window)
        assert again.state() == own.state()
    assert json.loads(loaded.spec) == json.loads(own.spec) and json.loads(loaded.config) == json.loads(own.config)
    with pytest.raises(native.FormatError):
        own.load_state(own.state()[:100])
    with pytest.raises(native.FormatError, match="policy"):
        own.load_state(learner(GAUSSIAN).state())
    with pytest.raises(native.FileError, match="nowhere"):
        native.Learner.load(tmp_path / "nowhere.safetensors")
    with pytest.raises(OSError):
        own.save(tmp_path / "no" / "folder.safetensors")


def test_other_settings_keep_everything_else() -> None:
    own = learner()
    own.update(rollout(own))
    before = own.parameters()
    own.set_config(native.config_with("ppo", own.config, {"learning_rate": 1e-9}))
    assert np.array_equal(before, own.parameters()) and own.counters()["update"] == 1
    own.update(rollout(own))
    assert np.abs(before - own.parameters()).max() < 1e-6


# The program.


def test_an_update_is_the_programs_to_the_bit(tmp_path: pathlib.Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    own = learner(norm_adv="batch", target_kl=None)
    window = rollout(own)
    own.save(tmp_path / "policy.safetensors")
    tensors = {name: np.ascontiguousarray(value) for name, value in window.items()}
    tensors["actions"] = tensors["actions"].astype(np.int32)
    safetensors.save_file(tensors, tmp_path / "rollout.safetensors", {"format": "wgpo-1", "contents": "rollout"})
    flat = json.loads(own.config)
    lines = [f"{key} = {json.dumps(flat[key])}" for key in ("num_envs", "num_steps", "total_timesteps", "learning_rate", "norm_adv")]
    (tmp_path / "config.toml").write_text("\n".join(lines))
    arguments = ["update", "--policy", "policy.safetensors", "rollout.safetensors", "--config", "config.toml"]
    ran = subprocess.run(
        [sys.executable, "-m", "wgpo", *arguments, "--out", "out.safetensors", "--backend", "cpu", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    stats = own.update(window)
    program = native.Learner.load(tmp_path / "out.safetensors", backend="cpu")
    assert np.array_equal(program.parameters(), own.parameters())
    told = json.loads(ran.stdout)
    assert told["minibatches"][-1]["approx_kl"] == stats["minibatches"][-1]["approx_kl"]
    assert told["optimizer_steps"] == stats["optimizer_steps"]


def test_a_trainer_is_the_programs_to_the_bit(tmp_path: pathlib.Path) -> None:
    spec, config = native.tuned("CartPole-v1", "ppo")
    sizes = json.loads(config)
    steps = 3 * sizes["num_envs"] * sizes["num_steps"]
    config = native.config_with("ppo", config, {"total_timesteps": steps})
    own = native.Trainer("cartpole", spec, config, backend="cpu", seed=4)
    stats = [own.iterate() for _ in range(3)]
    assert stats[-1]["env_steps"] == steps
    ran = subprocess.run(
        [sys.executable, "-m", "wgpo", "train", "cartpole", "--backend", "cpu", "--seed", "4", "--steps", str(steps), "--out", "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    program = native.Trainer.load(tmp_path / "run" / "policy.safetensors", backend="cpu")
    assert np.array_equal(program.parameters(), own.parameters())
    assert stats[-1]["updates"] == 3 and stats[0]["episodes"]["count"] > 0


def run_program(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wgpo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_program_says_its_version_and_what_is_wrong() -> None:
    assert run_program("--version").stdout.strip() == f"wgpo {native.__version__}"
    wrong = run_program("trian")
    assert wrong.returncode == 2 and "train" in wrong.stderr
    lost = run_program("eval", "nowhere")
    assert lost.returncode == 1 and lost.stderr.startswith("error:")


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_the_program_ends_by_ctrl_c_and_keeps_its_run(tmp_path: pathlib.Path) -> None:
    command = [sys.executable, "-m", "wgpo", "train", "cartpole", "--backend", "cpu", "--steps", "100000000", "--no-stop", "--out", "run"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "run" / "metrics.csv").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    native.Trainer.load(tmp_path / "run" / "policy.safetensors", backend="cpu")


# Off-policy.


@pytest.mark.parametrize("algo", ["dqn", "ddpg", "td3", "sac"])
def test_off_policy_learners_act_store_and_learn(algo: str, tmp_path: pathlib.Path) -> None:
    action = CATEGORICAL if algo == "dqn" else BOUNDED
    spec = native.default_spec(algo, WIDTH, action, hidden=[16, 16])
    changes = {"num_envs": ENVS, "buffer_size": 256, "batch_size": 8, "learning_starts": 8}
    config = native.config_with(algo, native.default_config(algo), changes)
    own = native.OffPolicyLearner(spec, config, backend="cpu", seed=3)
    draws = np.random.default_rng(0)
    with pytest.raises(native.ConfigError):
        own.learn(1)
    obs = draws.normal(size=(ENVS, WIDTH))
    for _ in range(6):
        acted = own.act(obs)
        following = draws.normal(size=(ENVS, WIDTH))
        step: dict[str, Any] = {"obs": obs, "actions": acted["actions"], "rewards": draws.normal(size=ENVS)}
        own.store({**step, "next_obs": following, "terminated": np.zeros(ENVS, bool), "truncated": np.zeros(ENVS, bool)})
        obs = following
    assert own.stored == 6 * ENVS
    assert own.due(0, 8) == 0 and own.due(8, 8 + 40) > 0
    before = own.parameters()
    stats = own.learn(2)
    assert stats["off_policy"]["gradient_steps"] == 2 and np.isfinite(stats["off_policy"]["q_values"])
    assert not np.array_equal(before, own.parameters())
    own.save(tmp_path / "own.safetensors")
    other = native.OffPolicyLearner.load(tmp_path / "own.safetensors", backend="cpu")
    assert other.stored == own.stored and other.seed == 3
    other.learn(3), own.learn(3)
    assert np.array_equal(other.parameters(), own.parameters())
    assert len(own.state(replay=False)) < len(own.state())
    rows: dict[str, Any] = {"obs": obs, "actions": own.act(obs)["actions"], "rewards": np.zeros(ENVS), "next_obs": obs}
    rows["terminated"] = np.zeros(ENVS)
    if algo in ("td3", "sac"):
        with pytest.raises(native.ConfigError, match="noise"):
            own.learn_batch(rows)
        rows |= {"next_noise": np.zeros((ENVS, 1)), "noise": np.zeros((ENVS, 1))}
    assert own.learn_batch(rows)["off_policy"]["gradient_steps"] == 6
    with pytest.raises(native.ShapeError, match="next_obs"):
        own.learn_batch({**rows, "next_obs": obs[:2]})


# Trainers.


def test_a_trainer_goes_on_where_it_was(tmp_path: pathlib.Path) -> None:
    spec, config = native.tuned("pendulum", "ppo")
    own = native.Trainer("Pendulum-v1", spec, config, backend="cpu", seed=2)
    own.iterate()
    own.save(tmp_path / "own.safetensors")
    other = native.Trainer.load(tmp_path / "own.safetensors", backend="cpu")
    assert other.env == "pendulum" and other.seed == 2
    greedy = own.evaluate(3)
    assert greedy == other.evaluate(3) and greedy["count"] == 3 and greedy["mean_length"] == 200
    assert own.iterate() == other.iterate()
    assert own.state() == other.state()
    with pytest.raises(native.ConfigError, match="cartpole"):
        native.Trainer("cartpole", spec, config, backend="cpu")
    with pytest.raises(native.ConfigError, match="episodes"):
        own.evaluate(0)


# Errors.


def test_each_array_that_is_wrong_is_named_and_changes_nothing() -> None:
    own = learner()
    window = rollout(own)
    before = own.state()
    short, far = np.zeros(3), window["actions"] + 3
    nan = np.where(np.arange(STEPS * ENVS).reshape(STEPS, ENVS) == 5, np.nan, 1.0)
    for change, error, words in [
        ({"obs": short}, native.ShapeError, '"obs"'),
        ({"actions": short}, native.ShapeError, '"actions"'),
        ({"actions": far}, native.DataError, "an index below 3"),
        ({"actions": window["actions"] - 1}, native.DataError, "from 0"),
        ({"actions": window["actions"] + 0.5}, native.DataError, "whole number"),
        ({"actions": None}, native.ConfigError, 'lacks "actions"'),
        ({"rewards": nan}, native.DataError, '"rewards"[5] is NaN'),
        ({"rewards": nan > 0}, None, ""),
        ({"rewards": window["rewards"] * 1j}, native.DtypeError, "complex64"),
        ({"rewards": [["a"]]}, native.DtypeError, '"rewards"'),
        ({"rewards": object()}, native.DtypeError, '"rewards"'),
        ({"rewards": 1.0}, native.ShapeError, "[steps, envs]"),
        ({"values": window["values"][:-1]}, native.ShapeError, "[17, 4]"),
        ({"terminated": window["terminated"] * 2}, native.DataError, "0 or 1"),
        ({"truncated": np.ones((STEPS, ENVS))}, native.DataError, "final_values"),
        ({"autoreset": "sometimes"}, native.ConfigError, "same_step"),
        ({"allowed": np.ones((STEPS, ENVS, 3))}, native.ConfigError, "not masked"),
        ({"reward": short}, native.ConfigError, "did you mean rewards?"),
    ]:
        given = {**window, **change}
        if error is None:
            continue
        with pytest.raises(error) as raised:
            own.update(given)
        assert words in str(raised.value), raised.value
        assert isinstance(raised.value, native.WgpoError)
    assert own.state() == before
    for order in ([0], np.zeros((4, STEPS * ENVS + 1)), np.full((4, STEPS * ENVS), 999)):
        with pytest.raises(native.WgpoError, match="order"):
            own.update(window, order)
    assert own.state() == before


def test_names_and_settings_that_are_none_come_with_the_nearest() -> None:
    base = native.default_config("ppo")
    for call, words in [
        (lambda: native.default_config("ppp"), "did you mean ppo?"),
        (lambda: native.default_config("ppo", "cleanlr"), "did you mean cleanrl?"),
        (lambda: native.config_with("ppo", base, {"learning_rat": 1e-3}), "did you mean learning_rate?"),
        (lambda: native.config_with("ppo", base, {"n_epochs": 3}), "did you mean update_epochs?"),
        (lambda: native.config_with("ppo", base, {"tau": 0.5}), "ppo does not read it"),
        (lambda: native.config_with("ppo", base, {"gamma": 2}), "gamma"),
        (lambda: native.config_with("ppo", base, {"gamma": float("nan")}), "finite"),
        (lambda: native.config_with("sac", base, {}), "the settings are of ppo"),
        (lambda: native.env_info("cartpol"), "did you mean cartpole?"),
        (lambda: native.choose_backend(""), "empty"),
        (lambda: native.default_spec("ppo", 0, CATEGORICAL), "obs_dim"),
        (lambda: native.default_spec("ppo", [2, 3], '{"kind": "gausian"}'), "gaussian"),
        (lambda: native.default_spec("ppo", 4, CATEGORICAL, activation="tan"), "tanh"),
        (lambda: native.Learner("{}", base), "spec"),
        (lambda: native.Learner(native.default_spec("ppo", 4, CATEGORICAL), "{}"), "config"),
        (lambda: learner(dtype="f16"), "f16"),
        (lambda: learner().act(np.zeros((1, WIDTH)), mode="best"), "greedy"),
    ]:
        with pytest.raises(native.ConfigError) as raised:
            call()
        assert words in str(raised.value), raised.value
    with pytest.raises(native.DtypeError):
        native.config_with("ppo", base, {"gamma": object()})
    with pytest.raises(native.DeviceError, match="no adapter"):
        native.choose_backend("no such adapter")
    both = native.config_with("ppo", base, {"gamma": np.float32(0.5), "target_kl": None, "update_epochs": np.int64(3)})
    assert json.loads(both)["gamma"] == 0.5 and json.loads(both)["update_epochs"] == 3


def test_the_family_of_errors() -> None:
    for name, own in [
        ("ShapeError", ValueError),
        ("ConfigError", ValueError),
        ("DataError", ValueError),
        ("DtypeError", TypeError),
        ("LimitError", ValueError),
        ("OutOfMemoryError", MemoryError),
        ("DeviceError", RuntimeError),
        ("EnvError", RuntimeError),
        ("FileError", OSError),
        ("FormatError", ValueError),
        ("InternalError", RuntimeError),
    ]:
        error = getattr(native, name)
        assert issubclass(error, native.WgpoError) and issubclass(error, own) and error.__doc__
        assert repr(pickle.loads(pickle.dumps(error("words")))) == f"{name}('words')"


def test_what_no_machine_has_memory_for_is_an_error() -> None:
    with pytest.raises(native.LimitError, match="parameters"):
        native.default_spec("ppo", 4, CATEGORICAL, hidden=[60_000, 60_000])
    spec, _ = native.tuned("cartpole", "ppo")
    with pytest.raises(native.ConfigError, match="rows"):
        settings(num_envs=2**40)
    with pytest.raises((native.OutOfMemoryError, native.LimitError)):
        native.Trainer("cartpole", spec, settings(num_envs=2**27), backend="cpu")


# Threads and signals.


def slow_learner(seconds: float) -> tuple[native.Learner, dict[str, Any]]:
    """A learner with a window, an update on which takes some `seconds`, whatever the machine and the build."""
    own = native.Learner(native.default_spec("ppo", WIDTH, CATEGORICAL, hidden=[256, 256]), settings(update_epochs=1), backend="cpu")
    window = rollout(own)
    took = []
    for _ in range(3):
        own.update(window)
        took.append(own.seconds)
    epochs = int(np.ceil(seconds / min(took)))
    own.set_config(native.config_with("ppo", own.config, {"update_epochs": epochs}))
    return own, window


def test_other_threads_run_while_an_update_computes() -> None:
    own, window = slow_learner(2)
    counted, over = [0], threading.Event()

    def count() -> None:
        while not over.wait(0.001):
            counted[0] += 1

    def rate(call: Any) -> float:
        """Counts a second while `call` runs."""
        before, begin = counted[0], time.monotonic()
        call()
        return (counted[0] - before) / (time.monotonic() - begin)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        free, held = rate(lambda: time.sleep(1)), rate(lambda: pow(3, 2**22))
        meanwhile = rate(lambda: own.update(window))
    finally:
        over.set()
        thread.join()
    # One big power keeps the interpreter's lock from its begin to its end, so this test can fail.
    assert held < 0.1 * free < meanwhile, (held, free, meanwhile)


@contextlib.contextmanager
def interrupted(seconds: float = 0.3) -> Iterator[None]:
    """Ctrl-C so long after the begin of what is inside, which raises within a second of it."""
    sent = [0.0]

    def interrupt() -> None:
        sent[0] = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(seconds, interrupt)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
        assert time.monotonic() - sent[0] < 1
    finally:
        timer.cancel()
        timer.join()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_ends_the_waiting_within_a_second_and_leaves_a_whole_state() -> None:
    own, window = slow_learner(4)
    twin = native.Learner(own.spec, own.config, backend="cpu")
    twin.load_state(own.state())
    with interrupted():
        own.update(window)
    # The update ends by itself, long after; the next call waits for it.
    begin = time.monotonic()
    assert own.counters()["update"] == 4
    assert time.monotonic() - begin > 1
    twin.update(window)
    assert own.state() == twin.state()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_calls_that_ctrl_c_left_to_themselves_are_done_in_their_order() -> None:
    own, window = slow_learner(4)
    other = native.Learner(own.spec, own.config, backend="cpu", seed=99)
    state = other.state()
    small, last = (native.config_with("ppo", own.config, {"learning_rate": rate}) for rate in (1e-5, 1e-6))
    with interrupted():
        own.update(window)
    # Each of these waits for the update.
    for call in (lambda: own.set_config(small), lambda: own.load_state(state), lambda: own.set_config(last)):
        with interrupted(0.1):
            call()
    # What is asked next waits for all of them, the getters too.
    assert json.loads(own.config)["learning_rate"] == pytest.approx(1e-6)
    assert own.seed == 99
    assert np.array_equal(own.parameters(), other.parameters()) and own.counters()["update"] == 0


TWICE = """
import os, pathlib, signal, threading, time
from wgpo import _native as native

numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
signal.signal(signal.SIGHUP, lambda *_: None)
before = [signal.getsignal(number) for number in numbers]
train = ["train", "cartpole", "--backend", "cpu", "--no-stop", "--steps"]
for name in ("one", "two"):
    assert native.main([*train, "2048", "--out", name]) == 0
    assert [signal.getsignal(number) for number in numbers] == before

def send(number, name):
    while not pathlib.Path(name, "metrics.csv").exists():
        time.sleep(0.05)
    os.kill(os.getpid(), number)

for number in numbers:
    name = number.name
    thread = threading.Thread(target=send, args=(number, name))
    thread.start()
    assert native.main([*train, "100000000", "--out", name]) == 130
    thread.join()
    native.Trainer.load(pathlib.Path(name, "policy.safetensors"), backend="cpu")
    assert [signal.getsignal(number) for number in numbers] == before
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
except KeyboardInterrupt:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_the_program_runs_twice_in_a_process_and_leaves_its_signals_alone(tmp_path: pathlib.Path) -> None:
    ran = subprocess.run([sys.executable, "-c", TWICE], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == -signal.SIGTERM, ran.stderr


# Formulas.


def test_advantages_by_hand() -> None:
    advantages, returns = ops.gae([1.0, 1.0, 1.0], [0.5, 0.5, 0.5, 2.0], [0, 1, 0], gamma=0.5, gae_lambda=0.5, dtype="f64")
    # δ = 1 + 0.5·0.5 − 0.5 = 0.75;  1 − 0.5 = 0.5 at the end;  1 + 0.5·2 − 0.5 = 1.5 in the last.
    assert advantages.tolist() == [0.75 + 0.25 * 0.5, 0.5, 1.5] and advantages.dtype == np.float64
    assert returns.tolist() == (advantages + 0.5).tolist()
    cut, _ = ops.gae([1.0], [0.5, 9.0], [0], [1], [4.0], gamma=0.5, gae_lambda=0.5)
    assert cut.tolist() == [1 + 0.5 * 4 - 0.5]
    with pytest.raises(native.ConfigError, match="final_values"):
        ops.gae([1.0], [0.5, 9.0], [0], [1])
    assert ops.discounted_returns([1.0, 2.0, 4.0], [0, 0, 0], gamma=0.5).tolist() == [3.0, 4.0, 4.0]
    assert ops.discounted_returns([1.0, 2.0], [0, 0], values=[0, 0, 8.0], gamma=0.5).tolist() == [1 + 0.5 * 6, 6.0]
    _, k_returns = ops.k_step_advantages(1, [1.0, 2.0], [1.0, 2.0, 8.0], [0, 0], gamma=0.5)
    assert k_returns.tolist() == [2.0, 6.0]
    # On policy with λ = 1, V-trace's targets are the returns.
    _, targets = ops.vtrace([0.0, 0.0], [1.0, 2.0], [0, 0, 8.0], [0, 0], gamma=0.5)
    assert targets.tolist() == [4.0, 6.0]
    scaled = ops.normalize(np.arange(6.0).reshape(2, 3), ddof=0, eps=0.0)
    assert scaled.shape == (2, 3) and scaled.mean() == pytest.approx(0) and scaled.std() == pytest.approx(1)


def test_distributions_by_hand() -> None:
    logits = np.log([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]])
    assert ops.log_prob(CATEGORICAL, logits, [0, 2]) == pytest.approx(np.log([0.5, 0.6]))
    probabilities = np.exp(logits)
    assert ops.entropy(CATEGORICAL, logits) == pytest.approx(-(probabilities * logits).sum(1))
    kl = (probabilities * (logits - logits[::-1])).sum(1)
    assert ops.kl(CATEGORICAL, logits, logits[::-1]) == pytest.approx(kl)
    means, log_std = [[0.0, 1.0]], [[0.0, 0.0]]
    rows = np.concatenate([means, log_std], 1)
    free = json.dumps({"kind": "gaussian", "dims": 2, "std": {"from_state": False, "limit": "free"}})
    assert ops.log_prob(free, rows, [[0.0, 0.0]])[0] == pytest.approx(-np.log(2 * np.pi) - 0.5)
    with pytest.raises(native.ShapeError):
        ops.kl(CATEGORICAL, logits, logits[:1])
    masked = ops.log_prob(MASKED, np.zeros((1, 5)), [[0, 1]], [[1, 0, 1, 1, 1]])
    assert masked[0] == pytest.approx(2 * np.log(0.5))


def test_fisher_products_and_conjugate_gradients() -> None:
    own = learner()
    obs = np.random.default_rng(1).normal(size=(32, WIDTH))
    parameters = own.parameters().astype(np.float64)
    draws = np.random.default_rng(2)
    v, w = draws.normal(size=parameters.size), draws.normal(size=parameters.size)

    def product(v: Any) -> Any:
        return ops.fisher_vector_product(own.spec, parameters, obs, v, damping=0.1)

    assert w @ product(v) == pytest.approx(v @ product(w)) and v @ product(v) > 0
    x, report = ops.fisher_solve(own.spec, parameters, obs, v, damping=0.1, iterations=200, tolerance=1e-20)
    assert product(x) == pytest.approx(v, abs=1e-6) and report["residuals"][-1] < 1e-12
    again, _ = ops.conjugate_gradient(product, v, iterations=200, tolerance=1e-20)
    assert again == pytest.approx(x, abs=1e-9)
    y, how = ops.conjugate_gradient(lambda v: np.diag([1.0, 4.0]) @ v, [1.0, 1.0], dtype="f64")
    assert y == pytest.approx([1, 0.25]) and how["iterations"] == 2 and not how["negative_curvature"]
    with pytest.raises(ZeroDivisionError):
        ops.conjugate_gradient(lambda v: 1 / 0, [1.0])
    with pytest.raises(native.ShapeError):
        ops.conjugate_gradient(lambda v: [1.0, 2.0], [1.0])
    with pytest.raises(native.ShapeError, match='"v"'):
        ops.fisher_vector_product(own.spec, parameters, obs, [1.0])


# A device, where there is one.


def adapter() -> str | None:
    """A GPU, or the software adapter that the repository's tests run on."""
    for name in ("gpu", "llvmpipe", "SwiftShader"):
        try:
            native.choose_backend(name)
        except native.DeviceError:
            continue
        return name
    assert "REQUIRE_GPU" not in os.environ, "no adapter"
    return None


def test_a_device_computes_what_the_cpu_computes() -> None:
    name = adapter()
    if name is None:
        pytest.skip("no adapter")
    spec = native.default_spec("ppo", WIDTH, CATEGORICAL, hidden=[16, 16])
    host = learner()
    device = native.Learner(spec, settings(), backend=name)
    assert device.backend["kind"] == "gpu" and np.array_equal(device.parameters(), host.parameters())
    window = rollout(host)
    one, two = host.update(window), device.update(window)
    assert two["value_loss"] == pytest.approx(one["value_loss"], rel=1e-3)
    assert np.abs(device.parameters() - host.parameters()).max() < 16 * 2 * 2.5e-4
    values = window["values"]
    ends = window["terminated"]
    for formula in (
        lambda where: ops.gae(window["rewards"], values, ends, backend=where)[0],
        lambda where: ops.vtrace(window["logp"] * 0.1, window["rewards"], values, ends, backend=where)[0],
        lambda where: ops.k_step_advantages(3, window["rewards"], values, ends, backend=where)[0],
        lambda where: ops.discounted_returns(window["rewards"], ends, backend=where),
        lambda where: ops.entropy(CATEGORICAL, values[:3].T[:, :3].astype(np.float32), backend=where),
        lambda where: ops.fisher_vector_product(spec, host.parameters(), window["obs"].reshape(-1, WIDTH), host.parameters(), 0.1, where),
    ):
        assert formula(name) == pytest.approx(formula("cpu"), rel=1e-4, abs=1e-5)
    trainer = native.Trainer("cartpole", *native.tuned("cartpole", "ppo"), backend=name)
    assert trainer.iterate()["updates"] == 1
    with pytest.raises(native.ConfigError, match="f64"):
        native.Learner(spec, settings(), backend=name, dtype="f64")
