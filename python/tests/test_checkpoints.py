"""Policies to and from other libraries, with the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import wgpo

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(0)


def sb3_model(kind: str, env: str, **settings: Any) -> Any:
    library = pytest.importorskip("sb3_contrib" if kind == "TRPO" else "stable_baselines3")
    model = getattr(library, kind)("MlpPolicy", env, seed=1, device="cpu", **{"n_steps": 64, **settings})
    return model.learn(128)


CASES: list[Any] = [
    (
        "PPO",
        "CartPole-v1",
        {"n_epochs": 2, "policy_kwargs": {"activation_fn": torch.nn.ReLU, "net_arch": [16]}, "clip_range": 0.1},
    ),
    ("PPO", "Pendulum-v1", {"n_epochs": 2, "clip_range_vf": 0.2}),
    ("A2C", "CartPole-v1", {}),
    ("TRPO", "Pendulum-v1", {"n_critic_updates": 2}),
]


def values_of(model: Any, obs: Any) -> Any:
    with torch.no_grad():
        return model.policy.predict_values(torch.as_tensor(obs))[:, 0].numpy()


@pytest.mark.parametrize(("kind", "env", "settings"), CASES, ids=lambda value: str(value)[:30])
@pytest.mark.parametrize("by_file", [False, True], ids=["model", "file"])
def test_from_sb3(kind: str, env: str, settings: dict[str, Any], by_file: bool, tmp_path: Path) -> None:
    theirs = sb3_model(kind, env, **settings)
    theirs.save(tmp_path / "model.zip")
    ours = wgpo.from_sb3(tmp_path / "model.zip" if by_file else theirs, backend="cpu", verbose=0)
    assert type(ours).__name__ == kind
    obs = RNG.normal(size=(100, ours.spec["obs_dim"])).astype(np.float32)
    one, other = theirs.predict(obs, deterministic=True)[0], ours.predict(obs, deterministic=True)[0]
    assert np.allclose(one, other.reshape(one.shape), atol=1e-5)
    assert np.allclose(values_of(theirs, obs), ours.learner.values(obs), atol=1e-4)
    assert ours.num_timesteps == 128
    assert ours.config["gamma"] == theirs.gamma and ours.config["num_steps"] == 64
    if kind == "PPO":
        assert ours.config["clip_coef"] == pytest.approx(settings.get("clip_range", 0.2))
    # The next update is theirs, so moments and settings came over.
    rng_state = np.random.get_state()
    table = wgpo.crosscheck(theirs, verbose=False)
    assert table.ok, f"\n{table}"
    np.random.set_state(rng_state)
    # And back again.
    back = wgpo.to_sb3(ours, tmp_path / "back.zip", env=env)
    for (name, value), again in zip(theirs.policy.state_dict().items(), back.policy.state_dict().values(), strict=True):
        assert torch.equal(value, again), name
    first, second = theirs.policy.optimizer.state_dict()["state"], back.policy.optimizer.state_dict()["state"]
    assert first.keys() == second.keys()
    for index, state in first.items():
        for key, value in state.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(second[index][key])), key
    for attribute in (
        "gamma",
        "gae_lambda",
        "n_steps",
        "batch_size",
        "n_epochs",
        "ent_coef",
        "vf_coef",
        "target_kl",
        "cg_damping",
    ):
        if hasattr(theirs, attribute):
            assert getattr(back, attribute) == pytest.approx(getattr(theirs, attribute)), attribute
    loaded = type(theirs).load(tmp_path / "back.zip", env=gym.make(env), device="cpu")
    assert np.array_equal(loaded.predict(obs, deterministic=True)[0], one)
    loaded.learn(64)


OPTIMIZERS: list[Any] = [
    ("PPO", {"optimizer_class": torch.optim.AdamW, "optimizer_kwargs": {"weight_decay": 0.1, "betas": (0.8, 0.99)}}),
    ("PPO", {"optimizer_kwargs": {"weight_decay": 0.01, "eps": 1e-4}}),
    ("A2C", {"optimizer_class": torch.optim.RMSprop, "optimizer_kwargs": {"alpha": 0.9, "eps": 1e-4}}),
    ("A2C", {"optimizer_class": torch.optim.Adam, "optimizer_kwargs": {"eps": 1e-6}}),
]


@pytest.mark.parametrize(("kind", "kwargs"), OPTIMIZERS, ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("by_file", [False, True], ids=["model", "file"])
def test_optimisers_come_over_and_go_back(kind: str, kwargs: dict[str, Any], by_file: bool, tmp_path: Path) -> None:
    more = {"clip_range_vf": 0.3, "n_epochs": 1} if kind == "PPO" else {}
    theirs = sb3_model(kind, "CartPole-v1", policy_kwargs=kwargs, **more)
    theirs.save(tmp_path / "model.zip")
    ours = wgpo.from_sb3(tmp_path / "model.zip" if by_file else theirs, backend="cpu", verbose=0)
    group, back = theirs.policy.optimizer.param_groups[0], wgpo.to_sb3(ours)
    name = type(theirs.policy.optimizer).__name__
    assert ours.config["optimizer"] == {"Adam": "adam", "AdamW": "adam_w", "RMSprop": "rmsprop"}[name]
    assert ours.config["weight_decay"] == pytest.approx(group["weight_decay"])
    assert type(back.policy.optimizer) is type(theirs.policy.optimizer)
    again = back.policy.optimizer.param_groups[0]
    assert all(again[key] == pytest.approx(value) for key, value in group.items() if key != "params"), (group, again)
    if kind == "PPO":
        assert back.clip_range_vf(1.0) == pytest.approx(0.3)
    assert back.lr_schedule(0.5) == pytest.approx(theirs.lr_schedule(0.5))


def test_optimisers_that_cannot_be_are_refused(tmp_path: Path) -> None:
    for kwargs in ({"optimizer_class": torch.optim.Adamax}, {"optimizer_kwargs": {"amsgrad": True}}):
        sb3_model("PPO", "CartPole-v1", n_epochs=1, policy_kwargs=kwargs).save(tmp_path / "model.zip")
        with pytest.raises(wgpo.UnsupportedModel, match="Adamax|amsgrad"):
            wgpo.from_sb3(tmp_path / "model.zip", backend="cpu", verbose=0)


def test_to_sb3_takes_schedules(tmp_path: Path) -> None:
    model = wgpo.PPO("CartPole-v1", learning_rate=1e-3, anneal_lr=True, num_steps=32, verbose=0, backend="cpu")
    theirs = wgpo.to_sb3(model, tmp_path / "model.zip", env="CartPole-v1")
    assert [theirs.lr_schedule(left) for left in (1.0, 0.5, 0.0)] == pytest.approx([1e-3, 5e-4, 0.0])
    loaded = type(theirs).load(tmp_path / "model.zip", device="cpu")
    assert loaded.lr_schedule(0.5) == pytest.approx(5e-4)


def test_to_sb3_of_a_trained_model() -> None:
    pytest.importorskip("stable_baselines3")
    model = wgpo.PPO(gym.make_vec("CartPole-v1", num_envs=4), num_steps=32, verbose=0, backend="cpu").learn(256)
    theirs = wgpo.to_sb3(model)
    obs = RNG.normal(size=(100, 4)).astype(np.float32)
    assert np.array_equal(theirs.predict(obs, deterministic=True)[0], model.predict(obs, deterministic=True)[0])


def test_to_sb3_says_what_it_cannot() -> None:
    pytest.importorskip("stable_baselines3")
    model = wgpo.PPO("Pendulum-v1", preset="cleanrl", verbose=0, backend="cpu")
    with pytest.raises(wgpo.UnsupportedModel, match="norm_obs"):
        wgpo.to_sb3(model)
    with pytest.raises(wgpo.UnsupportedModel, match="npg"):
        wgpo.to_sb3(wgpo.NPG("CartPole-v1", verbose=0, backend="cpu"))


def test_no_code_of_a_file_runs(tmp_path: Path) -> None:
    """An SB3 file whose pickles would write a file when they are read."""
    import base64
    import json
    import pickle
    import zipfile

    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "bang",))

    sb3_model("PPO", "CartPole-v1", n_epochs=1).save(tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    data = json.loads(parts["data"])
    for value in data.values():
        if isinstance(value, dict) and ":serialized:" in value:
            value[":serialized:"] = base64.b64encode(pickle.dumps(Bomb())).decode()
    parts["data"] = json.dumps(data).encode()
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    wgpo.from_sb3(tmp_path / "bad.zip", verbose=0, backend="cpu")
    torch.save({"actor_state_dict": Bomb(), "critic_state_dict": {}}, tmp_path / "bad.pt")
    with pytest.raises(Exception, match="weights_only|Weights only|Unsupported"):
        wgpo.from_rsl_rl(tmp_path / "bad.pt", verbose=0, backend="cpu")
    assert not (tmp_path / "bang").exists()


class CleanRL(torch.nn.Module):  # type: ignore[misc]
    """The ``Agent`` of CleanRL's ``ppo.py`` or ``ppo_continuous_action.py``."""

    def __init__(self, inputs: int, outputs: int, continuous: bool) -> None:
        super().__init__()
        net = lambda last: torch.nn.Sequential(  # noqa: E731
            torch.nn.Linear(inputs, 64),
            torch.nn.Tanh(),
            torch.nn.Linear(64, 64),
            torch.nn.Tanh(),
            torch.nn.Linear(64, last),
        )
        self.critic = net(1)
        if continuous:
            self.actor_mean = net(outputs)
            self.actor_logstd = torch.nn.Parameter(torch.randn(1, outputs) * 0.3)
        else:
            self.actor = net(outputs)


@pytest.mark.parametrize("continuous", [False, True])
def test_from_cleanrl(continuous: bool, tmp_path: Path) -> None:
    torch.manual_seed(3)
    agent = CleanRL(5, 3, continuous)
    torch.save(agent.state_dict(), tmp_path / "agent.cleanrl_model")
    ours = wgpo.from_cleanrl(tmp_path / "agent.cleanrl_model", verbose=0, backend="cpu")
    obs = RNG.normal(size=(50, 5)).astype(np.float32)
    acted = ours.learner.act(obs, None, "sample")
    with torch.no_grad():
        values = agent.critic(torch.as_tensor(obs))[:, 0].numpy()
        if continuous:
            mean, std = agent.actor_mean(torch.as_tensor(obs)), agent.actor_logstd.exp()
            logp = torch.distributions.Normal(mean, std).log_prob(torch.as_tensor(acted["actions"])).sum(1).numpy()
        else:
            logp = (
                torch.distributions.Categorical(logits=agent.actor(torch.as_tensor(obs)))
                .log_prob(torch.as_tensor(acted["actions"])[:, 0])
                .numpy()
            )
    assert np.allclose(acted["values"], values, atol=1e-5) and np.allclose(acted["logp"], logp, atol=1e-4)
    # It goes on training.
    envs = gym.make_vec("CartPole-v1", num_envs=2)
    del envs
    with pytest.raises(wgpo.UnsupportedModel, match="4 dimensions|layers"):
        wgpo.from_cleanrl(
            {
                "actor.0.weight": np.zeros((2, 3, 8, 8)),
                "actor.0.bias": np.zeros(2),
                "critic.0.weight": np.zeros((1, 2)),
                "critic.0.bias": np.zeros(1),
            }
        )


@pytest.mark.parametrize("std_type", ["scalar", "log"])
@pytest.mark.parametrize("normalised", [False, True])
def test_from_rsl_rl(std_type: str, normalised: bool, tmp_path: Path) -> None:
    pytest.importorskip("rsl_rl")
    from rsl_rl.models import MLPModel
    from tensordict import TensorDict

    torch.manual_seed(4)
    first = TensorDict({"policy": torch.randn(8, 6)}, batch_size=[8])
    groups = {"actor": ["policy"], "critic": ["policy"]}
    gaussian = {"class_name": "rsl_rl.modules.distribution:GaussianDistribution", "init_std": 0.7, "std_type": std_type}
    actor = MLPModel(
        first,
        groups,
        "actor",
        2,
        hidden_dims=[16, 8],
        activation="elu",
        obs_normalization=normalised,
        distribution_cfg=gaussian,
    )
    critic = MLPModel(first, groups, "critic", 1, hidden_dims=[12], activation="elu", obs_normalization=normalised)
    if normalised:
        for _ in range(3):
            batch = TensorDict({"policy": torch.randn(8, 6) * 3 + 2}, batch_size=[8])
            actor.update_normalization(batch)
            critic.update_normalization(batch)
    saved = {
        "actor_state_dict": actor.state_dict(),
        "critic_state_dict": critic.state_dict(),
        "optimizer_state_dict": {},
        "iter": 5,
        "infos": None,
    }
    torch.save(saved, tmp_path / "model_5.pt")
    ours = wgpo.from_rsl_rl(tmp_path / "model_5.pt", verbose=0, backend="cpu")
    obs = RNG.normal(size=(30, 6)).astype(np.float32)
    acted = ours.learner.act(obs, None, "greedy")
    actor.eval()
    critic.eval()
    with torch.no_grad():
        given = TensorDict({"policy": torch.as_tensor(obs)}, batch_size=[30])
        mean, values = actor(given).numpy(), critic(given)[:, 0].numpy()
    assert np.allclose(acted["actions"], mean, atol=1e-5) and np.allclose(acted["values"], values, atol=1e-5)
    assert ("std" if std_type == "scalar" else "log_std") in ours.parameters()
    if std_type == "scalar":
        assert ours.parameters()["std"] == pytest.approx(0.7)


HEADS: list[Any] = [
    (wgpo.PPO, gym.spaces.Discrete(4), {}),
    (wgpo.PPO, gym.spaces.MultiDiscrete([3, 2]), {"activation": "relu"}),
    (wgpo.PPO, gym.spaces.MultiBinary(3), {"activation": "elu"}),
    (wgpo.PPO, gym.spaces.Box(-0.3, 0.5, (2,), np.float32), {"preset": "cleanrl"}),
    (wgpo.PPO, gym.spaces.Box(-np.inf, np.inf, (2,), np.float32), {"activation": "silu"}),
    (wgpo.PPO, gym.spaces.Box(-1, 1, (2,), np.float32), {"preset": "ten-tricks", "activation": "gelu_erf"}),
    (wgpo.TRPO, gym.spaces.Discrete(3), {"activation": "gelu_tanh"}),
    (wgpo.SAC, gym.spaces.Box(-2, 3, (2,), np.float32), {}),
    (wgpo.TD3, gym.spaces.Box(-2, 3, (2,), np.float32), {}),
    (wgpo.DQN, gym.spaces.Discrete(3), {}),
]


@pytest.mark.parametrize(("kind", "space", "settings"), HEADS, ids=lambda value: str(value)[:30])
def test_to_onnx(kind: Any, space: Any, settings: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from toys import Spaces, vector

    makers = [lambda: Spaces(gym.spaces.Box(-5, 9, (3,), np.float32), space) for _ in range(2)]
    off = {"learning_starts": 20, "batch_size": 8, "buffer_size": 100} if kind in (wgpo.SAC, wgpo.TD3, wgpo.DQN) else {}
    model = kind(vector(makers), num_steps=32, hidden=[16, 8], verbose=0, backend="cpu", **settings, **off).learn(64)
    assert wgpo.to_onnx(model, tmp_path / "policy.onnx").stat().st_size > 100


def test_to_onnx_takes_the_mask(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from toys import Masked, vector

    model = wgpo.PPO(vector([Masked]), num_steps=16, verbose=0, backend="cpu").learn(16)
    session = runtime.InferenceSession(str(wgpo.to_onnx(model, tmp_path / "policy.onnx")))
    assert [given.name for given in session.get_inputs()] == ["obs", "allowed"]
    allowed = np.eye(5, dtype=bool)
    actions = session.run(["actions"], {"obs": RNG.normal(size=(5, 3)).astype(np.float32), "allowed": allowed})[0]
    assert actions.tolist() == [0, 1, 2, 3, 4]


def test_a_wrong_onnx_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    from wgpo import _onnx

    model = wgpo.PPO("Pendulum-v1", preset="sb3", verbose=0, backend="cpu")
    model.set_parameters({name: value + 0.3 for name, value in model.parameters().items()})
    wgpo.to_onnx(model, tmp_path / "policy.onnx")
    monkeypatch.setattr(_onnx, "_activated", lambda graph, x, activation: graph.node("Relu", x))
    with pytest.raises(RuntimeError, match="differ"):
        wgpo.to_onnx(model, tmp_path / "policy.onnx")
