"""One update of each preset beside its library: rsl-rl-lib's own ``update()``, and CleanRL's arithmetic written out in PyTorch.

Stable-Baselines3's and sb3-contrib's are in test_crosscheck.py and test_crosscheck_off_policy.py. Tolerances are those of ``wgpo.crosscheck``, whose doc derives
them from float32's rounding and Adam's division.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
import wgpo
from wgpo import _native
from wgpo._crosscheck import _adam_slack, _statistic, _tensor
from wgpo._files import read_bytes, write_bytes

torch = pytest.importorskip("torch")

T, N, OBS, DIMS, CHOICES = 12, 8, 5, 2, 3


def mlp(widths: list[int], activation: Any) -> Any:
    layers: list[Any] = []
    for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
        layers += [torch.nn.Linear(inputs, outputs), activation()]
    return torch.nn.Sequential(*layers[:-1])


def named(name: str, module: Any) -> dict[str, Any]:
    linear = [one for one in module if isinstance(one, torch.nn.Linear)]
    return {f"{name}.{i}.{part}": getattr(one, part) for i, one in enumerate(linear) for part in ("weight", "bias")}


def numbers(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor.detach().numpy().copy() for name, tensor in tensors.items()}


def moments(optimizer: Any, tensors: dict[str, Any]) -> tuple[dict[str, Any], int]:
    found, steps = {}, 0
    for name, tensor in tensors.items():
        own = optimizer.state.get(tensor, {})
        if own:
            steps = int(own["step"])
            found |= {f"{key}.{name}": own[key].numpy().copy() for key in ("exp_avg", "exp_avg_sq")}
    return found, steps


# -- rsl_rl -------------------------------------------------------------------------------------------------------------------------------------------


RSL: list[Any] = [
    ({}, {}),
    ({"desired_kl": 1e-5}, {"adaptive_lr": {"target_kl": 1e-5}}),
    ({"schedule": "fixed", "use_clipped_value_loss": False}, {"adaptive_lr": "off", "value_loss": "plain"}),
    (
        {"normalize_advantage_per_mini_batch": True, "schedule": "fixed"},
        {"norm_adv": "minibatch", "adaptive_lr": "off"},
    ),
    (
        {"max_grad_norm": 0.05, "entropy_coef": 0.1, "clip_param": 0.05},
        {"max_grad_norm": 0.05, "ent_coef": 0.1, "clip_coef": 0.05},
    ),
    ({"gamma": 0.9, "lam": 0.8, "value_loss_coef": 0.5}, {"gamma": 0.9, "gae_lambda": 0.8, "vf_coef": 0.5}),
    ({"num_mini_batches": 5, "num_learning_epochs": 2}, {"num_minibatches": 5, "update_epochs": 2}),
]


@pytest.mark.parametrize("std_type", ["scalar", "log"])
@pytest.mark.parametrize(("theirs", "ours"), RSL, ids=lambda value: str(value)[:50])
def test_rsl_rl(std_type: str, theirs: dict[str, Any], ours: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two updates of rsl-rl-lib's PPO; the second has moments and a learning rate that has moved."""
    pytest.importorskip("rsl_rl")
    from rsl_rl.algorithms import PPO
    from rsl_rl.models import MLPModel
    from rsl_rl.storage import RolloutStorage
    from tensordict import TensorDict

    torch.manual_seed(3)
    see = lambda: TensorDict({"policy": torch.randn(N, OBS)}, batch_size=[N])  # noqa: E731
    first, groups = see(), {"actor": ["policy"], "critic": ["policy"]}
    gaussian = {"class_name": "rsl_rl.modules.distribution:GaussianDistribution", "init_std": 0.7, "std_type": std_type}
    made = {"hidden_dims": [16, 8], "activation": "elu", "obs_normalization": False}
    actor = MLPModel(first, groups, "actor", DIMS, distribution_cfg=gaussian, **made)
    critic = MLPModel(first, groups, "critic", 1, **made)
    trainer = PPO(actor, critic, RolloutStorage("rl", N, T, first, [DIMS]), **theirs)
    deviation = "std" if std_type == "scalar" else "log_std"
    tensors = {**named("policy", actor.mlp), **named("value", critic.mlp)}
    tensors[deviation] = getattr(actor.distribution, f"{deviation}_param")
    drawn: list[Any] = []
    permutation = torch.randperm

    def randperm(*args: Any, **kwargs: Any) -> Any:
        drawn.append(permutation(*args, **kwargs))
        return drawn[-1]

    monkeypatch.setattr(torch, "randperm", randperm)
    for _ in range(2):
        rollout: dict[str, list[Any]] = {
            name: [] for name in ("obs", "rewards", "terminated", "truncated", "final_values")
        }
        with torch.inference_mode():
            obs = see()
            for _ in range(T):
                rollout["obs"].append(obs["policy"].numpy().copy())
                trainer.act(obs)
                # Time-outs are bootstrapped from V of the observation that was acted on.
                rollout["final_values"].append(trainer.transition.values[:, 0].numpy().copy())
                rewards, ended = torch.randn(N), torch.rand(N)
                dones, time_outs = ended < 0.2, ended < 0.1
                rollout["rewards"].append(rewards.numpy().copy())
                rollout["terminated"].append((dones & ~time_outs).numpy())
                rollout["truncated"].append(time_outs.numpy())
                obs = see()
                trainer.process_env_step(obs, rewards, dones, {"time_outs": time_outs})
            trainer.compute_returns(obs)
            last = critic(obs)[:, 0].numpy()
        storage, rate = trainer.storage, trainer.learning_rate
        before, (adam, steps) = numbers(tensors), moments(trainer.optimizer, tensors)
        arrays = {name: np.stack(value) for name, value in rollout.items()}
        arrays |= {
            "actions": storage.actions.numpy().copy(),
            "logp": storage.actions_log_prob[..., 0].numpy().copy(),
            "values": np.concatenate([storage.values[..., 0].numpy(), last[None]]),
        }
        losses = trainer.update()
        epochs = trainer.num_learning_epochs
        order = np.concatenate(
            [drawn.pop().numpy(), np.arange(T * N)[T * N // trainer.num_mini_batches * trainer.num_mini_batches :]]
        )
        std = {"std_type": "scalar"} if std_type == "scalar" else {"from_state": False, "limit": "free"}
        given = {
            "preset": "rsl_rl",
            "spec": {
                "obs_dim": OBS,
                "trunk": [],
                "policy_hidden": [16, 8],
                "value_hidden": [16, 8],
                "activation": "elu",
                "head": {"kind": "gaussian", "dims": DIMS, "std": std},
            },
            "config": {"num_envs": N, "num_steps": T, "learning_rate": rate, **ours},
            "before": before,
            "after": numbers(tensors),
            "moments": adam,
            "optimizer_step": steps,
            "rollout": arrays,
            "order": np.stack([order] * epochs),
            "statistics": {
                "value_loss": losses["value"],
                "policy_loss": losses["surrogate"],
                "entropy": losses["entropy"],
            },
        }
        table = wgpo.crosscheck(given, verbose=False)
        assert table.ok, f"\n{table}"
    if trainer.schedule == "adaptive":
        assert rate != 1e-3, "the learning rate has moved"


# -- CleanRL's PPO ------------------------------------------------------------------------------------------------------------------------------------


CLEANRL: list[Any] = [
    {},
    {"clip_vloss": False},
    {"norm_adv": False, "ent_coef": 0.05},
    {"target_kl": 1e-4, "update_epochs": 6, "learning_rate": 2e-3},
    {"max_grad_norm": 0.01, "vf_coef": 0.1, "clip_coef": 0.01},
    {"gamma": 0.9, "gae_lambda": 0.5, "num_minibatches": 3},
]


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("changed", CLEANRL, ids=str)
def test_cleanrl_ppo(continuous: bool, changed: dict[str, Any]) -> None:
    """The update of ppo.py and ppo_continuous_action.py, whose wrappers' normalisation is left out."""
    torch.manual_seed(5)
    rng = np.random.default_rng(5)
    a = {
        "learning_rate": 3e-4,
        "gamma": 0.99,
        "gae_lambda": 0.95,
        "num_minibatches": 4,
        "update_epochs": 4,
        "norm_adv": True,
    }
    a |= {
        "clip_coef": 0.2,
        "clip_vloss": True,
        "ent_coef": 0.0 if continuous else 0.01,
        "vf_coef": 0.5,
        "max_grad_norm": 0.5,
    }
    a |= {"target_kl": None, **changed}
    actor, critic = mlp([OBS, 16, DIMS if continuous else CHOICES], torch.nn.Tanh), mlp([OBS, 16, 1], torch.nn.Tanh)
    tensors = {**named("policy", actor), **named("value", critic)}
    log_std = torch.nn.Parameter(torch.full((1, DIMS), -0.3))
    if continuous:
        tensors["log_std"] = log_std

    def distribution(obs: Any) -> Any:
        if continuous:
            return torch.distributions.Independent(torch.distributions.Normal(actor(obs), log_std.exp()), 1)
        return torch.distributions.Categorical(logits=actor(obs))

    obs = torch.randn(T + 1, N, OBS)
    with torch.no_grad():
        actions = distribution(obs[:T]).sample()
        logp, values = distribution(obs[:T]).log_prob(actions), critic(obs)[..., 0]
    rewards, dones = torch.randn(T, N), torch.zeros(T + 1, N)
    dones[1:] = (torch.rand(T, N) < 0.15).float()
    advantages, last = torch.zeros(T, N), torch.zeros(N)
    for t in reversed(range(T)):
        alive = 1.0 - dones[t + 1]
        delta = rewards[t] + a["gamma"] * values[t + 1] * alive - values[t]
        advantages[t] = last = delta + a["gamma"] * a["gae_lambda"] * alive * last
    returns = advantages + values[:T]
    flat = [one.reshape(T * N, *one.shape[2:]) for one in (obs[:T], actions, logp, advantages, returns, values[:T])]
    optimizer = torch.optim.Adam(tensors.values(), lr=a["learning_rate"], eps=1e-5)
    before, order, seen = numbers(tensors), [], []
    size = T * N // a["num_minibatches"]
    ended = False
    for _ in range(a["update_epochs"]):
        order.append(rng.permutation(T * N))
        for start in range(0, 0 if ended else T * N, size):
            b_obs, b_actions, b_logp, b_adv, b_returns, b_values = (
                one[order[-1][start : start + size]] for one in flat
            )
            dist = distribution(b_obs)
            log_ratio = dist.log_prob(b_actions) - b_logp
            ratio = log_ratio.exp()
            approx_kl = ((ratio - 1) - log_ratio).mean().item()
            if a["norm_adv"]:
                b_adv = (b_adv - b_adv.mean()) / (b_adv.std() + 1e-8)
            policy = torch.max(-b_adv * ratio, -b_adv * ratio.clamp(1 - a["clip_coef"], 1 + a["clip_coef"])).mean()
            value = critic(b_obs)[:, 0]
            error = (value - b_returns) ** 2
            if a["clip_vloss"]:
                near = b_values + (value - b_values).clamp(-a["clip_coef"], a["clip_coef"])
                error = torch.max(error, (near - b_returns) ** 2)
            value_loss, entropy = 0.5 * error.mean(), dist.entropy().mean()
            optimizer.zero_grad()
            (policy - a["ent_coef"] * entropy + a["vf_coef"] * value_loss).backward()
            torch.nn.utils.clip_grad_norm_(tensors.values(), a["max_grad_norm"])
            optimizer.step()
            seen.append((policy.item(), value_loss.item(), entropy.item(), approx_kl))
        ended = ended or (a["target_kl"] is not None and approx_kl > a["target_kl"])
    means = np.mean(seen, axis=0)
    config = {key: a[key] for key in a if key not in ("clip_vloss", "target_kl")}
    config |= {"num_envs": N, "num_steps": T, "target_kl": a["target_kl"] or "off", "anneal_lr": False}
    config |= {} if a["clip_vloss"] else {"value_loss": "plain"}
    head: dict[str, Any] = {"kind": "categorical", "actions": CHOICES}
    if continuous:
        head = {"kind": "gaussian", "dims": DIMS, "std": {"from_state": False, "limit": "free"}}
        config |= {"norm_obs": "off", "norm_reward": "off"}
    given = {
        "preset": "cleanrl",
        "spec": {
            "obs_dim": OBS,
            "trunk": [],
            "policy_hidden": [16],
            "value_hidden": [16],
            "activation": "tanh",
            "head": head,
        },
        "config": config,
        "before": before,
        "after": numbers(tensors),
        "rollout": {
            "obs": obs[:T].numpy(),
            "actions": actions.numpy(),
            "logp": logp.numpy(),
            "values": values.numpy(),
            "rewards": rewards.numpy(),
            "terminated": dones[1:].numpy(),
            "truncated": np.zeros((T, N), bool),
        },
        "order": np.stack(order),
        "statistics": dict(zip(("policy_loss", "value_loss", "entropy", "approx_kl"), means, strict=True)),
    }
    table = wgpo.crosscheck(given, verbose=False)
    assert table.ok, f"\n{table}"
    if a["target_kl"] is not None:
        assert len(seen) < a["update_epochs"] * a["num_minibatches"], "it stopped early"


# -- CleanRL's DQN, DDPG, TD3, SAC --------------------------------------------------------------------------------------------------------------------


ROWS = 32


def batches(count: int, discrete: bool) -> list[dict[str, Any]]:
    found = []
    for _ in range(count):
        actions = torch.randint(CHOICES, (ROWS,)) if discrete else torch.rand(ROWS, DIMS) * 2 - 1
        one = {"obs": torch.randn(ROWS, OBS), "next_obs": torch.randn(ROWS, OBS), "actions": actions}
        one |= {"rewards": torch.randn(ROWS), "terminated": (torch.rand(ROWS) < 0.2).float()}
        found.append({**one, "noise": torch.randn(ROWS, DIMS), "next_noise": torch.randn(ROWS, DIMS)})
    return found


def compared(
    kind: str, changed: dict[str, Any], steps: list[dict[str, Any]], before: Any, after: Any, losses: list[float]
) -> Any:
    """Our gradient steps beside theirs; ``before`` and ``after`` are weights and targets."""
    discrete = kind == "dqn"
    head = (
        {"kind": "categorical", "actions": CHOICES}
        if discrete
        else {"kind": "gaussian", "dims": DIMS, "bounds": {"low": [-1] * DIMS, "high": [1] * DIMS}}
    )
    base = _native.default_config(kind, "cleanrl", discrete)
    config = _native.config_with(kind, base, {"batch_size": ROWS, "buffer_size": ROWS, **changed})
    spec = _native.fitted_spec(_native.default_spec(kind, OBS, json.dumps(head), [16, 12], "relu", "cleanrl"), config)
    learner = _native.OffPolicyLearner(spec, config, backend="cpu", seed=0)
    tensors, found = read_bytes(learner.state(False))
    tensors |= {name: value for name, value in before.items() if name in tensors}
    assert all(name in tensors for name in before)
    learner.load_state(write_bytes(tensors, found.table))
    taken = []
    for one in steps:
        arrays = {name: value.numpy() for name, value in one.items()}
        if discrete:
            del arrays["noise"], arrays["next_noise"]
        taken.append(learner.learn_batch(arrays)["value_loss"])
    ours, found = read_bytes(learner.state(False))
    table = wgpo.CrossCheck(kind)
    table.rows += [
        _statistic(f"loss {i}", one, own, 2e-5) for i, (one, own) in enumerate(zip(losses, taken, strict=True))
    ]
    settings = json.loads(config)
    for name, value in after.items():
        own_steps = int(
            found.table["policy_optimizer_step" if name.endswith("policy") and not discrete else "optimizer_step"]
        )
        squares, rate = ours[f"optimizer.exp_avg_sq.{name.removeprefix('target.')}"], settings["learning_rate"]
        slack = _adam_slack(settings, rate, squares, own_steps, len(steps), 2e-5) if np.any(squares) else 0.0
        table.rows.append(_tensor(name, before[name], value, ours[name], 2e-5, slack))
    return table


def polyak(online: Any, target: Any, tau: float) -> None:
    for one, other in zip(online.parameters(), target.parameters(), strict=True):
        other.data.copy_(tau * one.data + (1 - tau) * other.data)


@pytest.mark.parametrize(
    "changed", [{}, {"gamma": 0.8, "learning_rate": 1e-3}, {"tau": 0.3, "target_network_frequency": 1}], ids=str
)
def test_cleanrl_dqn(changed: dict[str, Any]) -> None:
    torch.manual_seed(6)
    a = {"gamma": 0.99, "learning_rate": 2.5e-4, "tau": 1.0, "target_network_frequency": 3, **changed}
    q = mlp([OBS, 16, 12, CHOICES], torch.nn.ReLU)
    target = mlp([OBS, 16, 12, CHOICES], torch.nn.ReLU)
    tensors = {**named("policy", q), **{f"target.{name}": value for name, value in named("policy", target).items()}}
    before, steps, losses = numbers(tensors), batches(4, True), []
    optimizer = torch.optim.Adam(q.parameters(), lr=a["learning_rate"])
    for count, one in enumerate(steps):
        with torch.no_grad():
            y = one["rewards"] + a["gamma"] * target(one["next_obs"]).max(dim=1).values * (1 - one["terminated"])
        loss = torch.nn.functional.mse_loss(y, q(one["obs"]).gather(1, one["actions"][:, None])[:, 0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if (count + 1) % a["target_network_frequency"] == 0:
            polyak(q, target, a["tau"])
    table = compared("dqn", a, steps, before, numbers(tensors), losses)
    assert table.ok, f"\n{table}"


@pytest.mark.parametrize("kind", ["ddpg", "td3", "sac"])
@pytest.mark.parametrize("changed", [{}, {"gamma": 0.9, "tau": 0.2, "policy_frequency": 3}], ids=str)
def test_cleanrl_actor_and_critics(kind: str, changed: dict[str, Any]) -> None:
    """Of SAC what docs/presets.md says is reproduced: one step of actor and temperature each time, by the same draw, and half the critics' loss."""
    torch.manual_seed(7)
    sac = kind == "sac"
    a = {
        "gamma": 0.99,
        "tau": 0.005,
        "policy_frequency": 2,
        "policy_lr": 3e-4,
        "learning_rate": 1e-3 if sac else 3e-4,
        **changed,
    }
    extra = {"td3": {"policy_noise": 0.2, "noise_clip": 0.5}, "sac": {"alpha_lr": 1e-3, "alpha": 1.0}}.get(kind, {})
    nets = {"policy": mlp([OBS, 16, 12, DIMS * (2 if sac else 1)], torch.nn.ReLU)}
    nets |= {name: mlp([OBS + DIMS, 16, 12, 1], torch.nn.ReLU) for name in ("q1", "q2")[: 1 if kind == "ddpg" else 2]}
    qs = [name for name in nets if name[0] == "q"]
    targets = {name: copy.deepcopy(net) for name, net in nets.items() if not (sac and name == "policy")}
    for net in targets.values():
        for tensor in net.parameters():
            tensor.data *= 0.9
    tensors = {key: one for name, net in nets.items() for key, one in named(name, net).items()}
    tensors |= {f"target.{key}": one for name, net in targets.items() for key, one in named(name, net).items()}
    before, steps, losses = numbers(tensors), batches(6, False), []
    q_optimizer = torch.optim.Adam([one for name in qs for one in nets[name].parameters()], lr=a["learning_rate"])
    actor_optimizer = torch.optim.Adam(nets["policy"].parameters(), lr=a["policy_lr"])
    log_alpha = torch.zeros(1, requires_grad=True)
    alpha_optimizer = torch.optim.Adam([log_alpha], lr=1e-3)

    def value(nets: Any, name: str, obs: Any, actions: Any) -> Any:
        return nets[name](torch.cat([obs, actions], 1))[:, 0]

    def sample(obs: Any, noise: Any) -> tuple[Any, Any]:
        mean, log_std = nets["policy"](obs).chunk(2, dim=1)
        log_std = -5 + 0.5 * (2 + 5) * (torch.tanh(log_std) + 1)
        action = torch.tanh(mean + log_std.exp() * noise)
        normal = -0.5 * noise**2 - log_std - 0.5 * np.log(2 * np.pi)
        return action, (normal - torch.log(1 - action**2 + 1e-6)).sum(1)

    for count, one in enumerate(steps):
        obs, next_obs = one["obs"], one["next_obs"]
        alpha = log_alpha.exp().item()
        with torch.no_grad():
            if sac:
                actions, logp = sample(next_obs, one["next_noise"])
            else:
                actions, logp = torch.tanh(targets["policy"](next_obs)), 0.0
                if kind == "td3":
                    actions = (actions + (one["next_noise"] * 0.2).clamp(-0.5, 0.5)).clamp(-1, 1)
            least = torch.stack([value(targets, name, next_obs, actions) for name in qs]).min(0).values
            y = one["rewards"] + (1 - one["terminated"]) * a["gamma"] * (least - alpha * logp)
        loss = sum(torch.nn.functional.mse_loss(value(nets, name, obs, one["actions"]), y) for name in qs)
        loss = 0.5 * loss if sac else loss
        q_optimizer.zero_grad()
        loss.backward()
        q_optimizer.step()
        losses.append(loss.item())
        due = (count + 1) % a["policy_frequency"] == 0
        if due:
            if sac:
                actions, logp = sample(obs, one["noise"])
                least = torch.stack([value(nets, name, obs, actions) for name in qs]).min(0).values
                actor_loss = (alpha * logp - least).mean()
                alpha_optimizer.zero_grad()
                (-log_alpha * (logp.detach() - DIMS)).mean().backward()
                alpha_optimizer.step()
            else:
                actor_loss = -value(nets, "q1", obs, torch.tanh(nets["policy"](obs))).mean()
            actor_optimizer.zero_grad()
            actor_loss.backward()
            actor_optimizer.step()
        if due or sac:
            for name, net in targets.items():
                polyak(nets[name], net, a["tau"])
    table = compared(kind, {**a, **extra}, steps, before, numbers(tensors), losses)
    assert table.ok, f"\n{table}"
