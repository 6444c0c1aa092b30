"""Models of Stable-Baselines3's off-policy algorithms: here and back."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import wgpo

torch = pytest.importorskip("torch")
sb3 = pytest.importorskip("stable_baselines3")

from stable_baselines3.common.noise import NormalActionNoise  # noqa: E402
from wgpo._files import read_bytes  # noqa: E402
from wgpo._sb3_off_policy import Numbers, OffPolicyMap  # noqa: E402

SMALL: dict[str, Any] = {"learning_starts": 20, "buffer_size": 300, "batch_size": 16, "device": "cpu", "seed": 3}
CASES: list[Any] = [
    ("DQN", "CartPole-v1", {"target_update_interval": 40, "train_freq": 2, "max_grad_norm": 0.5}),
    ("DQN", "Acrobot-v1", {"policy_kwargs": {"net_arch": [], "activation_fn": torch.nn.Tanh}, "exploration_final_eps": 0.1}),
    ("SAC", "Pendulum-v1", {"ent_coef": "auto_0.2", "target_entropy": -0.7}),
    ("SAC", "Pendulum-v1", {"ent_coef": 0.3, "policy_kwargs": {"net_arch": {"pi": [9], "qf": [7, 5]}}}),
    ("TD3", "Pendulum-v1", {"action_noise": NormalActionNoise(np.zeros(1), 0.2 * np.ones(1)), "policy_delay": 3}),
    ("DDPG", "MountainCarContinuous-v0", {"policy_kwargs": {"net_arch": [8], "optimizer_class": torch.optim.AdamW}}),
]


def trained(kind: str, env: str, settings: dict[str, Any]) -> Any:
    kwargs = {"net_arch": [16, 12], **settings.get("policy_kwargs", {})}
    return getattr(sb3, kind)("MlpPolicy", env, **{**SMALL, **settings, "policy_kwargs": kwargs}).learn(120)


@pytest.mark.parametrize(("kind", "env", "settings"), CASES, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("by_file", [False, True], ids=["model", "file"])
def test_here_and_back(kind: str, env: str, settings: dict[str, Any], by_file: bool, tmp_path: Path) -> None:
    theirs = trained(kind, env, settings)
    theirs.save(tmp_path / "model.zip")
    ours = wgpo.from_sb3(tmp_path / "model.zip" if by_file else theirs, backend="cpu", verbose=0)
    assert type(ours).__name__ == kind and ours.num_timesteps == theirs.num_timesteps
    rng = np.random.default_rng(5)
    obs = rng.normal(size=(100, ours.spec["obs_dim"])).astype(np.float32)
    one, other = theirs.predict(obs, deterministic=True)[0], ours.predict(obs, deterministic=True)[0]
    assert np.allclose(one, other.reshape(one.shape), atol=1e-5)
    # Every number of theirs, by what the cross-check reads of the loaded model.
    numbers = Numbers.of_model(OffPolicyMap(theirs, kind.lower()))
    tensors, found = read_bytes(ours.learner.state(False))
    expected = {**numbers.parameters, **numbers.moments}
    expected |= {f"target.{name}": value for name, value in numbers.targets.items()}
    for name, value in expected.items():
        assert np.array_equal(value, tensors[name].reshape(value.shape)), name
    for name, number in numbers.table.items():
        assert float(found.table[name]) == pytest.approx(number, rel=1e-7), name
    assert int(found.table["gradient_steps"]) == theirs._n_updates > 0
    # The setting that each case changes.
    if "target_update_interval" in settings:
        assert ours.config["target_network_frequency"] == 20 and ours.config["train_frequency"] == 2
    if kind == "SAC":
        assert ours.config["autotune"] == isinstance(settings["ent_coef"], str)
        assert ours.config["alpha"] == (0.2 if ours.config["autotune"] else 0.3)
        assert ours.config.get("target_entropy") == settings.get("target_entropy")
    if kind == "TD3":
        assert (ours.config["exploration_noise"], ours.config["policy_frequency"]) == (0.2, 3)
    if kind == "DDPG":
        assert ours.config["optimizer"] == "adam_w" and ours.config["weight_decay"] == 0.01
    # And back again.
    back = wgpo.to_sb3(ours, tmp_path / "back.zip", env=env)
    assert type(back) is type(theirs)
    states = (theirs.policy.state_dict(), back.policy.state_dict())
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    again = Numbers.of_model(OffPolicyMap(back, kind.lower()))
    assert again.table == pytest.approx(numbers.table, rel=1e-6)
    for name, value in numbers.moments.items():
        assert np.array_equal(value, again.moments[name]), name
    for attribute in (
        "gamma", "tau", "batch_size", "buffer_size", "learning_starts", "train_freq", "gradient_steps", "n_steps", "learning_rate", "ent_coef",
        "target_entropy", "target_update_interval", "policy_delay", "target_policy_noise", "exploration_final_eps", "max_grad_norm", "_n_updates",
    ):  # fmt: skip
        if hasattr(theirs, attribute) and not (kind == "DDPG" and attribute == "target_policy_noise"):
            assert getattr(back, attribute) == getattr(theirs, attribute), attribute
    loaded = type(theirs).load(tmp_path / "back.zip", env=gym.make(env), device="cpu")
    assert np.array_equal(loaded.predict(obs, deterministic=True)[0], one)
    loaded.learn(40)


def test_learning_goes_on_here(tmp_path: Path) -> None:
    trained("SAC", "Pendulum-v1", {}).save(tmp_path / "model.zip")
    ours = wgpo.from_sb3(tmp_path / "model.zip", backend="cpu", verbose=0)
    ours.set_envs("Pendulum-v1")
    before = ours.learner.parameters()
    ours.learn(256)
    after = ours.learner.parameters()
    assert before.shape == after.shape and np.mean(before != after) > 0.5


def test_a_zip_of_another_kind_is_said(tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    for entries, words in (
        ({"a": "b"}, "has no entry 'data'"),
        ({"data": "{}"}, "has no entry 'policy.pth'"),
        ({"data": "[]", "policy.pth": ""}, "is a list"),
        ({"data": "{", "policy.pth": ""}, "is no JSON"),
    ):
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in entries.items():
                archive.writestr(name, text)
        with pytest.raises(wgpo.FormatError, match=words):
            wgpo.from_sb3(path)


def test_spaces_are_those_of_the_models_environment(tmp_path: Path) -> None:
    for made, theirs in ((wgpo.PPO, sb3.PPO), (wgpo.DQN, sb3.DQN)):
        model = made("CartPole-v1", preset="sb3", hidden=[8], backend="cpu", verbose=0)
        wgpo.to_sb3(model, tmp_path / "model.zip")
        theirs.load(tmp_path / "model.zip", env=gym.make("CartPole-v1"), device="cpu")


def test_what_cannot_be_had_is_said(tmp_path: Path) -> None:
    for kind, env, settings, words in (
        ("SAC", "Pendulum-v1", {"policy_kwargs": {"n_critics": 3}}, r"3 critics \(n_critics\), wgpo's sac has 2"),
        ("SAC", "Pendulum-v1", {"use_sde": True}, "gSDE"),
        ("DQN", "CartPole-v1", {"policy_kwargs": {"activation_fn": torch.nn.Softplus}}, "the activation is Softplus"),
        ("TD3", "Pendulum-v1", {"policy_kwargs": {"optimizer_class": torch.optim.Adagrad}}, "optimiser"),
    ):
        model = trained(kind, env, settings)
        model.save(tmp_path / "model.zip")
        for source in (tmp_path / "model.zip", model):
            with pytest.raises(wgpo.UnsupportedModel, match=words):
                wgpo.from_sb3(source, backend="cpu", verbose=0)
    for model, words in (
        (wgpo.DQN("CartPole-v1", preset="sb3", double=True, hidden=[8], backend="cpu", verbose=0), "double"),
        (wgpo.SAC("Pendulum-v1", hidden=[8], backend="cpu", verbose=0), r"limit of log σ"),
    ):
        with pytest.raises(wgpo.UnsupportedModel, match=words):
            wgpo.to_sb3(model)
