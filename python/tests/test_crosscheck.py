"""Updates of Stable-Baselines3 and sb3-contrib, repeated here."""

from __future__ import annotations

import random
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import wgpo

torch = pytest.importorskip("torch")
sb3 = pytest.importorskip("stable_baselines3")
contrib = pytest.importorskip("sb3_contrib")

PPO, A2C, TRPO = sb3.PPO, sb3.A2C, contrib.TRPO


def made(kind: Any, env: str = "CartPole-v1", envs: int = 4, **settings: Any) -> Any:
    from stable_baselines3.common.env_util import make_vec_env

    torch.manual_seed(0)
    return kind("MlpPolicy", make_vec_env(env, envs, seed=1), seed=1, device="cpu", **settings)


CASES: list[Any] = [
    (PPO, "CartPole-v1", {"n_steps": 64, "n_epochs": 4}),
    (PPO, "Pendulum-v1", {"n_steps": 64, "n_epochs": 4}),
    (PPO, "CartPole-v1", {"n_steps": 50, "n_epochs": 3, "batch_size": 48, "clip_range_vf": 0.2, "ent_coef": 0.01}),
    (PPO, "Pendulum-v1", {"n_steps": 64, "n_epochs": 10, "target_kl": 1e-4}),
    (
        PPO,
        "CartPole-v1",
        {"n_steps": 32, "n_epochs": 2, "normalize_advantage": False, "vf_coef": 0.3, "max_grad_norm": 0.1},
    ),
    (
        PPO,
        "CartPole-v1",
        {
            "n_steps": 32,
            "n_epochs": 2,
            "policy_kwargs": {"net_arch": {"pi": [16], "vf": [24, 8]}, "activation_fn": torch.nn.ReLU},
        },
    ),
    (
        PPO,
        "CartPole-v1",
        {
            "n_steps": 32,
            "n_epochs": 2,
            "policy_kwargs": {"optimizer_class": torch.optim.AdamW, "optimizer_kwargs": {"weight_decay": 0.1}},
        },
    ),
    (
        PPO,
        "CartPole-v1",
        {
            "n_steps": 32,
            "n_epochs": 2,
            "learning_rate": lambda left: 1e-3 * left,
            "clip_range": lambda left: 0.3 * left,
        },
    ),
    (PPO, "MultiDiscrete", {"n_steps": 40, "n_epochs": 3, "ent_coef": 0.01}),
    (PPO, "MultiBinary", {"n_steps": 40, "n_epochs": 3, "ent_coef": 0.01}),
    (A2C, "CartPole-v1", {}),
    (A2C, "Pendulum-v1", {"n_steps": 16, "ent_coef": 0.01, "normalize_advantage": True}),
    (A2C, "CartPole-v1", {"use_rms_prop": False}),
    (TRPO, "CartPole-v1", {"n_steps": 128}),
    (TRPO, "Pendulum-v1", {"n_steps": 128, "n_critic_updates": 5}),
    (TRPO, "Acrobot-v1", {"n_steps": 128, "sub_sampling_factor": 4, "batch_size": 64}),
    (TRPO, "MultiDiscrete", {"n_steps": 64}),
    (PPO, "CartPole-v1", {"n_steps": 32, "n_epochs": 2, "gamma": 0.8, "gae_lambda": 0.5, "clip_range": 0.01}),
    (A2C, "CartPole-v1", {"gae_lambda": 0.9, "vf_coef": 0.2, "max_grad_norm": 0.02, "rms_prop_eps": 1e-3}),
    (
        TRPO,
        "CartPole-v1",
        {
            "n_steps": 32,
            "normalize_advantage": False,
            "cg_damping": 0.01,
            "cg_max_steps": 5,
            "target_kl": 0.05,
            "line_search_shrinking_factor": 0.5,
            "line_search_max_iter": 4,
        },
    ),
]


class Toy(gym.Env[Any, Any]):
    """Rewards that depend on the action and the observation."""

    observation_space = gym.spaces.Box(-1, 1, (3,), np.float32)

    def __init__(self, kind: str) -> None:
        self.action_space = gym.spaces.MultiDiscrete([3, 2]) if kind == "MultiDiscrete" else gym.spaces.MultiBinary(4)
        self.now = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.now = 0
        self.obs = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return self.obs, {}

    def step(self, action: Any) -> Any:
        reward = float(self.obs[0] * np.sum(action) - self.obs[1])
        self.now += 1
        self.obs = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return self.obs, reward, self.now % 9 == 0, self.now >= 30, {}


for name in ("MultiDiscrete", "MultiBinary"):
    gym.register(name, entry_point=lambda kind=name: Toy(kind), max_episode_steps=30)


@pytest.mark.parametrize(
    ("kind", "env", "settings"), CASES, ids=lambda value: getattr(value, "__name__", None) or str(value)[:60]
)
def test_one_update_agrees(kind: Any, env: str, settings: dict[str, Any]) -> None:
    model = made(kind, env, **settings)
    # Not the first update, so that the optimiser has moments, and not the end of a schedule.
    model.learn(2 * model.n_steps * model.n_envs)
    model._current_progress_remaining = 0.5
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    table = wgpo.crosscheck(model, verbose=False)
    assert table.ok, f"\n{table}"
    assert len(table.rows) > 20
    assert all(torch.equal(value, before[name]) for name, value in model.policy.state_dict().items()), (
        "the model is as it was"
    )


def test_without_a_rollout_one_is_collected(capsys: pytest.CaptureFixture[str]) -> None:
    model = made(PPO, n_steps=32, n_epochs=2)
    table = wgpo.crosscheck(model)
    assert table.ok
    shown = capsys.readouterr().out
    assert "train/approx_kl" in shown and "policy.0.weight" in shown and "rows agree" in shown
    # The same rollout and the same generators give the same rows.
    assert str(wgpo.crosscheck(model, verbose=False)) == shown.rstrip("\n")


@pytest.mark.parametrize("break_it", ["entropy", "advantages", "order", "learning rate"])
def test_it_bites(break_it: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from wgpo import _crosscheck, _sb3_update

    model = made(PPO, n_steps=64, n_epochs=2, ent_coef=0.01)
    if break_it == "entropy":
        monkeypatch.setattr(
            _sb3_update,
            "config_of",
            lambda model, kind, own=_sb3_update.config_of: {**own(model, kind), "ent_coef": 0.02},
        )
    if break_it == "learning rate":
        monkeypatch.setattr(
            _sb3_update,
            "config_of",
            lambda model, kind, own=_sb3_update.config_of: {**own(model, kind), "learning_rate": 3.1e-4},
        )
    if break_it == "advantages":
        monkeypatch.setattr(
            _sb3_update,
            "batch_of",
            lambda *args, own=_sb3_update.batch_of: (lambda batch: {**batch, "advantages": batch["advantages"][::-1]})(
                own(*args)
            ),
        )
    if break_it == "order":
        monkeypatch.setattr(_crosscheck, "orders_of", lambda *args: None)
    table = wgpo.crosscheck(model, verbose=False)
    assert not table.ok, f"\n{table}"


def test_what_it_cannot_compare_is_said() -> None:
    with pytest.raises(wgpo.UnsupportedModel, match="gSDE"):
        wgpo.crosscheck(made(PPO, "Pendulum-v1", use_sde=True, n_steps=32), verbose=False)
    with pytest.raises(wgpo.UnsupportedModel, match="MaskablePPO|QRDQN|RecurrentPPO"):
        wgpo.crosscheck(contrib.RecurrentPPO("MlpLstmPolicy", "CartPole-v1", n_steps=32), verbose=False)
    with pytest.raises(wgpo.UnsupportedModel, match="optimiser"):
        kwargs = {"optimizer_class": torch.optim.SGD}
        wgpo.crosscheck(made(PPO, n_steps=32, policy_kwargs=kwargs), verbose=False)
    with pytest.raises(ValueError, match="before"):
        wgpo.crosscheck({"spec": {}}, verbose=False)


def test_a_plain_actor_critic_in_pytorch() -> None:
    """A trainer of a few lines in PyTorch, by a dictionary of arrays."""
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    rows, epochs, size = 96, 3, 32
    actor = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3))
    critic = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
    names = {
        f"{net}.{i}.{part}": getattr(module[2 * i], part)
        for net, module in (("policy", actor), ("value", critic))
        for i in (0, 1)
        for part in ("weight", "bias")
    }
    obs = torch.tensor(rng.normal(size=(rows, 4)), dtype=torch.float32)
    actions = torch.tensor(rng.integers(0, 3, rows))
    advantages, returns = (torch.tensor(rng.normal(size=rows), dtype=torch.float32) for _ in range(2))
    copy = lambda: {name: value.detach().numpy().copy() for name, value in names.items()}  # noqa: E731
    with torch.no_grad():
        logp_old = torch.distributions.Categorical(logits=actor(obs)).log_prob(actions)
        values_old = critic(obs)[:, 0]
    before, order, losses = copy(), [], []
    optimizer = torch.optim.Adam([*actor.parameters(), *critic.parameters()], lr=1e-3, eps=1e-5)
    for _ in range(epochs):
        order.append(rng.permutation(rows))
        for start in range(0, rows, size):
            take = order[-1][start : start + size]
            distribution = torch.distributions.Categorical(logits=actor(obs[take]))
            ratio = (distribution.log_prob(actions[take]) - logp_old[take]).exp()
            loss = -torch.min(ratio * advantages[take], ratio.clamp(0.8, 1.2) * advantages[take]).mean()
            losses.append(loss.item())
            value = 0.5 * (critic(obs[take])[:, 0] - returns[take]).square().mean()
            optimizer.zero_grad()
            (loss + 0.5 * value - 0.01 * distribution.entropy().mean()).backward()
            optimizer.step()
    given = {
        "spec": {
            "obs_dim": 4,
            "trunk": [],
            "policy_hidden": [16],
            "value_hidden": [16],
            "activation": "tanh",
            "head": {"kind": "categorical", "actions": 3},
        },
        "config": {
            "learning_rate": 1e-3,
            "norm_adv": "none",
            "max_grad_norm": "off",
            "value_loss": "plain",
            "update_epochs": epochs,
            "minibatch_size": size,
        },
        "before": before,
        "after": copy(),
        "batch": {
            "obs": obs.numpy(),
            "actions": actions.numpy(),
            "logp_old": logp_old.numpy(),
            "advantages": advantages.numpy(),
            "returns": returns.numpy(),
            "values_old": values_old.numpy(),
        },
        "order": np.stack(order),
        "statistics": {"policy_loss": float(np.mean(losses))},
    }
    table = wgpo.crosscheck(given, verbose=False)
    assert table.ok, f"\n{table}"
    given["config"] = {**given["config"], "ent_coef": 0.05}
    assert not wgpo.crosscheck(given, verbose=False).ok


@pytest.mark.parametrize("kind", [PPO, A2C, TRPO])
def test_generators_are_as_before(kind: Any) -> None:
    """A training that was cross-checked half way ends with the same bits as one that was not; NumPy, PyTorch, Python and the spaces draw what they would have."""
    ends = []
    for checked in (False, True):
        model = made(kind, "Pendulum-v1", envs=2, n_steps=32)
        model.learn(64)
        if checked:
            mode = model.policy.training
            assert wgpo.crosscheck(model, verbose=False).ok
            assert model.policy.training == mode
        model.learn(64, reset_num_timesteps=False)
        draws = [random.random(), np.random.random(), torch.rand(1).item(), model.action_space.sample().tolist()]
        ends.append(({name: value.tolist() for name, value in model.policy.state_dict().items()}, draws))
    assert ends[0] == ends[1]
    # A space that has drawn nothing yet, and a rollout that has to be collected.
    model = made(kind, "Pendulum-v1", envs=2, n_steps=32)
    model.action_space.seed(5)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert wgpo.crosscheck(model, verbose=False).ok
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == states
    drawn = model.action_space.sample()
    model.action_space.seed(5)
    assert np.array_equal(drawn, model.action_space.sample())


def test_counters_are_as_before() -> None:
    """A rollout that was collected for the cross-check is not counted; a training goes on where it was."""
    model = made(PPO, n_steps=32, n_epochs=1)
    fresh = {name: value for name, value in model.__dict__.items() if isinstance(value, int)}
    assert wgpo.crosscheck(model, verbose=False).ok
    assert {name: model.__dict__[name] for name in fresh} == fresh
    model.train()
    model.learn(256)
    model.rollout_buffer.reset()
    infos = list(model.ep_info_buffer)
    before = {name: value for name, value in model.__dict__.items() if isinstance(value, (int, float))}
    logger, observed = model.logger, model.ep_info_buffer.maxlen
    assert wgpo.crosscheck(model, verbose=False).ok
    assert {name: model.__dict__[name] for name in before} == before
    assert list(model.ep_info_buffer) == infos and model.ep_info_buffer.maxlen == observed and model.logger is logger
    model.learn(128, reset_num_timesteps=False)
    assert model.num_timesteps == 256 + 128
