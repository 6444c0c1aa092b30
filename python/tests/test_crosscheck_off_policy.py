"""Gradient steps of Stable-Baselines3's DQN, DDPG, TD3 and SAC, repeated here."""

from __future__ import annotations

import copy
import random
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import wgpo

torch = pytest.importorskip("torch")
sb3 = pytest.importorskip("stable_baselines3")
contrib = pytest.importorskip("sb3_contrib")

DQN, DDPG, TD3, SAC = sb3.DQN, sb3.DDPG, sb3.TD3, sb3.SAC


class Toy(gym.Env[Any, Any]):
    """Rewards that depend on action and observation; ends and is cut off. Observations are a ``Dict`` if ``parts``."""

    def __init__(self, choices: int = 0, parts: bool = False) -> None:
        box = gym.spaces.Box(-1, 1, (3,), np.float32)
        both = gym.spaces.Dict({"place": box, "kind": gym.spaces.Discrete(4)})
        self.observation_space: Any = both if parts else box
        low, high = np.array([-2, -1, 0], np.float32), np.array([2, 3, 0.5], np.float32)
        self.action_space = gym.spaces.Discrete(choices) if choices else gym.spaces.Box(low, high)
        self.parts, self.now = parts, 0

    def _obs(self) -> Any:
        self.place = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return {"place": self.place, "kind": int(self.np_random.integers(4))} if self.parts else self.place

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.now = 0
        return self._obs(), {}

    def step(self, action: Any) -> Any:
        self.now += 1
        reward = float(self.place[0] * np.sum(action) - self.place[1])
        return self._obs(), reward, self.now % 9 == 0, self.now >= 30, {}


def made(kind: Any, env: str = "", envs: int = 2, **settings: Any) -> Any:
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    choices = 4 if kind is DQN else 0
    vector: Any = DummyVecEnv([lambda: Toy(choices, env == "Dict")] * envs)
    if env == "normalised":
        vector = VecNormalize(vector)
    kwargs = {"net_arch": [32, 24], **settings.pop("policy_kwargs", {})}
    settings = {"buffer_size": 1000, "learning_starts": 20, "batch_size": 48, **settings}
    policy = "MultiInputPolicy" if env == "Dict" else "MlpPolicy"
    return kind(policy, vector, seed=1, device="cpu", policy_kwargs=kwargs, **settings)


ADAM_W = {"optimizer_class": torch.optim.AdamW, "optimizer_kwargs": {"weight_decay": 0.1, "betas": (0.8, 0.99)}}

CASES: list[Any] = [
    (DQN, "", {"max_grad_norm": 0.1}, 3),
    (DQN, "", {"n_steps": 3, "gamma": 0.9, "learning_rate": lambda left: 1e-3 * left}, 1),
    (DQN, "Dict", {"policy_kwargs": {**ADAM_W, "net_arch": [16], "activation_fn": torch.nn.Tanh}}, 2),
    (DQN, "normalised", {"batch_size": 1}, 1),
    (DDPG, "", {"tau": 0.1}, 3),
    (DDPG, "", {"n_steps": 2, "policy_kwargs": ADAM_W}, 1),
    (DDPG, "Dict", {}, 1),
    (TD3, "", {}, None),
    (TD3, "", {"policy_delay": 3, "target_policy_noise": 0.5, "target_noise_clip": 0.3, "n_steps": 2}, 4),
    (TD3, "normalised", {"target_policy_noise": 0.0, "policy_delay": 1}, 1),
    (TD3, "", {"policy_kwargs": {"net_arch": {"pi": [16], "qf": [24, 8]}}, "gamma": 0.8}, 2),
    (SAC, "", {}, 1),
    (SAC, "", {"ent_coef": 0.3, "tau": 0.2}, 3),
    (SAC, "", {"ent_coef": "auto_0.1", "target_entropy": -1.5, "gamma": 0.9}, 3),
    (SAC, "", {"target_update_interval": 2, "learning_rate": lambda left: 3e-3 * left}, 4),
    (SAC, "Dict", {"policy_kwargs": {"net_arch": {"pi": [], "qf": [24, 8]}}}, 1),
    (SAC, "", {"n_steps": 3}, 1),
    (SAC, "normalised", {"policy_kwargs": {"optimizer_class": torch.optim.AdamW, "activation_fn": torch.nn.ELU}}, 2),
]


@pytest.mark.parametrize(
    ("kind", "env", "settings", "steps"), CASES, ids=lambda value: getattr(value, "__name__", None) or str(value)[:60]
)
def test_gradient_steps_agree(kind: Any, env: str, settings: dict[str, Any], steps: int | None) -> None:
    model = made(kind, env, **settings)
    # Not the first steps, so that optimisers have moments and targets are apart; and not the end of a schedule.
    model.learn(100)
    model._current_progress_remaining = 0.5
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    table = wgpo.crosscheck(model, verbose=False, gradient_steps=steps)
    assert table.ok, f"\n{table}"
    names = {row.name for row in table.rows}
    assert {"train/loss", "target.policy.0.weight"} <= names if kind is DQN else {"train/actor_loss"} <= names
    if kind is SAC and "auto" in str(model.ent_coef):
        assert {"log_alpha", "train/ent_coef_loss", "target.q2.0.weight"} <= names
    assert all(torch.equal(value, before[name]) for name, value in model.policy.state_dict().items())


def everything(model: Any) -> dict[str, Any]:
    """What a training goes on from."""
    optimizers = {
        name: copy.deepcopy(one.state_dict())
        for name, one in (
            ("policy", getattr(model.policy, "optimizer", None)),
            ("actor", getattr(getattr(model, "actor", None), "optimizer", None)),
            ("critic", getattr(getattr(model, "critic", None), "optimizer", None)),
            ("alpha", getattr(model, "ent_coef_optimizer", None)),
        )
        if one is not None
    }
    log_alpha = getattr(model, "log_ent_coef", None)
    return {
        "weights": {name: value.clone() for name, value in model.policy.state_dict().items()},
        "optimizers": optimizers,
        "alpha": None if log_alpha is None else log_alpha.detach().clone(),
        "counts": {
            name: value
            for name, value in vars(model).items()
            if isinstance(value, (int, float)) and name != "start_time"
        },
        "training": model.policy.training,
        "generators": generators(model),
    }


def generators(model: Any) -> Any:
    space = model.action_space
    own = getattr(space, "_np_random", None)
    states = [random.getstate(), np.random.get_state(), torch.get_rng_state()]
    return copy.deepcopy([*states, None if own is None else own.bit_generator.state])


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return bool(torch.equal(one, other)) if isinstance(one, torch.Tensor) else bool(np.array_equal(one, other))


@pytest.mark.parametrize("kind", [DQN, TD3, SAC])
def test_the_model_is_as_before(kind: Any) -> None:
    """A training that was cross-checked half way ends with the same bits as one that was not."""
    ends = []
    for checked in (False, True):
        model = made(kind)
        model.learn(60)
        if checked:
            before = everything(model)
            assert wgpo.crosscheck(model, verbose=False).ok
            assert same(everything(model), before)
            assert "sample" not in vars(model.replay_buffer)
        model.learn(60, reset_num_timesteps=False)
        ends.append(everything(model))
    assert same(*ends)


@pytest.mark.parametrize("kind", [DQN, DDPG, SAC])
def test_without_transitions_some_are_collected(kind: Any, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"target_update_interval": 5} if kind is DQN else {}
    model = made(kind, **settings)
    before = everything(model)
    assert wgpo.crosscheck(model).ok
    assert "rows agree" in capsys.readouterr().out
    assert same(everything(model), before)
    assert model.replay_buffer.size() * model.n_envs == 48
    model.learn(60)


@pytest.mark.parametrize(
    "break_it", ["noise", "next noise", "targets", "tau", "delay", "ends", "learning rate", "moments", "gamma"]
)
def test_it_bites(break_it: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from wgpo import _crosscheck

    kind = TD3 if break_it == "delay" else SAC
    model = made(kind)
    model.learn(100)
    own = _crosscheck.repeated

    def broken(mapping: Any, before: Any, drawn: Any, taken: int, config: Any, backend: str) -> Any:
        before = copy.deepcopy(before)
        for batch in drawn.batches:
            if break_it in ("noise", "next noise"):
                batch[break_it.replace(" ", "_")] = batch[break_it.replace(" ", "_")][::-1].copy()
            if break_it == "ends":
                batch["terminated"] = np.zeros_like(batch["terminated"])
            if break_it == "gamma":
                batch["discounts"] = batch["discounts"] * np.float32(0.999)
        if break_it == "targets":
            before.targets = {name: before.parameters[name] for name in before.targets}
        if break_it == "moments":
            before.moments = {name: 0.9 * value for name, value in before.moments.items()}
        config = {
            **config,
            **({"tau": 0.006} if break_it == "tau" else {}),
            **({"policy_lr": 3.1e-4} if break_it == "learning rate" else {}),
        }
        return own(mapping, before, drawn, taken + (break_it == "delay"), config, backend)

    monkeypatch.setattr(_crosscheck, "repeated", broken)
    table = wgpo.crosscheck(model, verbose=False, gradient_steps=3)
    assert not table.ok, f"\n{table}"


@pytest.mark.parametrize("rate", [3e-4, 6e-4])
def test_saturated_actions_decide_nothing(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Near a bound 1 − a² has no digits left in float32; a tolerance that allows for it would pass any update."""
    from wgpo import _crosscheck

    model, own = made(SAC), _crosscheck.repeated
    model.learn(100)
    with torch.no_grad():
        model.actor.mu.bias += 6.0
    monkeypatch.setattr(
        _crosscheck,
        "repeated",
        lambda mapping, before, drawn, taken, config, backend: own(
            mapping, before, drawn, taken, {**config, "policy_lr": rate, "learning_rate": rate}, backend
        ),
    )
    table = wgpo.crosscheck(model, verbose=False)
    assert not table.ok and "not decided: actions are so near their bounds" in str(table)
    assert rate == 3e-4 or table.failed, f"\n{table}"


def test_what_it_cannot_compare_is_said() -> None:
    with pytest.raises(wgpo.UnsupportedModel, match=r"2 critics \(n_critics\), wgpo's ddpg has 1"):
        wgpo.crosscheck(made(DDPG, policy_kwargs={"n_critics": 2}), verbose=False)
    with pytest.raises(wgpo.UnsupportedModel, match="gSDE"):
        wgpo.crosscheck(made(SAC, use_sde=True), verbose=False)
    with pytest.raises(wgpo.UnsupportedModel, match="RMSprop"):
        wgpo.crosscheck(made(TD3, policy_kwargs={"optimizer_class": torch.optim.RMSprop}), verbose=False)
    with pytest.raises(wgpo.UnsupportedModel, match="temperature"):
        wgpo.crosscheck(made(SAC, policy_kwargs={"optimizer_kwargs": {"eps": 1e-5}}), verbose=False)
    with pytest.raises(wgpo.UnsupportedModel, match="QRDQN.*DQN, DDPG, TD3, SAC"):
        wgpo.crosscheck(contrib.QRDQN("MlpPolicy", "CartPole-v1"), verbose=False)
    with pytest.raises(wgpo.UnsupportedModel, match="the model is a int"):
        wgpo.crosscheck(3, verbose=False)
    with pytest.raises(ValueError, match="gradient_steps is 0, must be at least 1"):
        wgpo.crosscheck(made(DQN), verbose=False, gradient_steps=0)
    with pytest.raises(ValueError, match="batch_size is of models with a replay memory .*, this is a ppo"):
        wgpo.crosscheck(sb3.PPO("MlpPolicy", "CartPole-v1"), verbose=False, batch_size=3)
    model = made(DQN, learning_rate=lambda left: left)
    model._current_progress_remaining = -0.5
    with pytest.raises(wgpo.UnsupportedModel, match="past the end of its schedule"):
        wgpo.crosscheck(model, verbose=False)
    with pytest.raises(wgpo.UnsupportedModel, match="DQN"):
        wgpo.sb3.accelerate(made(DQN))
