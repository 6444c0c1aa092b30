"""rsl_rl's PPO.update(). pip install rsl-rl-lib==5.5.1 torch==2.15.0 safetensors==0.8.0 numpy==2.4.6"""

from importlib.metadata import version

import numpy as np
import torch
from rsl_rl.algorithms import PPO
from rsl_rl.models import MLPModel
from rsl_rl.storage import RolloutStorage
from tensordict import TensorDict

import common

VERSION = "5.5.1"
assert version("rsl-rl-lib") == VERSION


def run(case, seed, steps, envs, std_type, settings, overrides, scale=0.3, reward_scale=1.0):
    data = common.rollout(seed, steps, envs, action_dims=2)
    groups = {"actor": ["policy"], "critic": ["policy"]}
    first = TensorDict({"policy": torch.tensor(data["obs"][0])}, batch_size=[envs])
    gaussian = {"class_name": "rsl_rl.modules.distribution:GaussianDistribution", "init_std": 1.0, "std_type": std_type}
    actor = MLPModel(first, groups, "actor", 2, hidden_dims=[8, 6], activation="elu", distribution_cfg=gaussian)
    critic = MLPModel(first, groups, "critic", 1, hidden_dims=[7], activation="elu")
    common.perturb(actor, seed + 1, scale)
    common.perturb(critic, seed + 2, scale)
    std = actor.distribution.std_param if std_type == "scalar" else actor.distribution.log_std_param
    with torch.no_grad():
        std.copy_(torch.tensor(common.f32([0.9, 1.1] if std_type == "scalar" else [-0.1, 0.2])))
    storage = RolloutStorage("rl", envs, steps, first, [2])
    algorithm = PPO(actor, critic, storage, **settings)
    state_dependent = {"std" if std_type == "scalar" else "log_std": std}
    before = common.parameters(actor, critic, state_dependent)
    logp = np.zeros((steps, envs))
    values = np.zeros((steps, envs))
    # The recorded rows: what act() and process_env_step() store, with given actions, log-probabilities near the policy's and
    # values near the critic's, both exact in float32.
    for t in range(steps):
        obs = TensorDict({"policy": torch.tensor(data["obs"][t])}, batch_size=[envs])
        algorithm.act(obs)
        transition = algorithm.transition
        transition.actions = torch.tensor(data["actions"][t])
        exact = actor.get_output_log_prob(transition.actions).detach().numpy()
        logp[t] = common.f32(exact + 0.05 * data["noise"][t])
        values[t] = common.f32(transition.values.numpy()[:, 0] + 0.1 * data["value_noise"][t])
        transition.actions_log_prob = torch.tensor(logp[t])
        transition.values = torch.tensor(values[t])[:, None]
        data["rewards"][t] = common.f32(reward_scale * data["rewards"][t])
        algorithm.process_env_step(obs, torch.tensor(data["rewards"][t]), torch.tensor(data["terminated"][t]), {})
    last = TensorDict({"policy": torch.tensor(data["next_obs"])}, batch_size=[envs])
    last_values = critic(last).detach().numpy()[:, 0]
    algorithm.compute_returns(last)
    returns = storage.returns.numpy()[..., 0].copy()
    orders = common.Orders(seed + 3)
    draw = torch.randperm
    torch.randperm = lambda n, **_: torch.tensor(orders.draw(n))
    rates = []
    step = algorithm.optimizer.step
    algorithm.optimizer.step = lambda: (rates.append(algorithm.optimizer.param_groups[0]["lr"]), step())
    losses = algorithm.update()
    torch.randperm = draw
    assert len(orders.drawn) == 1
    rows, used = steps * envs, len(orders.drawn[0])
    order = np.concatenate([orders.drawn[0], np.arange(used, rows)])
    common.write(
        case, "rsl-rl-lib", VERSION, "rsl_rl", "ppo", overrides, settings,
        "gaussian_std" if std_type == "scalar" else "gaussian", "elu", before,
        common.parameters(actor, critic, state_dependent),
        {
            "obs": data["obs"].reshape(rows, -1), "actions": data["actions"].reshape(rows, -1),
            "old_log_prob": logp.reshape(-1), "rewards": data["rewards"], "values": values, "last_values": last_values,
            "terminated": data["terminated"], "truncated": data["truncated"],
            "minibatch_order": np.tile(order, (algorithm.num_learning_epochs, 1)),
        },
        {
            "returns": returns.reshape(-1), "learning_rate": algorithm.learning_rate, 
            "value_loss": losses["value"], "policy_loss": losses["surrogate"], "entropy": losses["entropy"],
            "optimizer_steps": len(rates),
        },
        actor.mlp, critic.mlp, 2e-7,
    )


FEW = {"num_learning_epochs": 3}
OURS = {"update_epochs": 3}
# Its ends of episodes are float32, and 0.99 times one of them is rounded to that: 2e-7.
# 49 rows, 4 minibatches of 12; one row is never seen. The learning rate falls and rises.
run("rsl_rl_default", 10, 7, 7, "scalar", FEW, OURS)
run("rsl_rl_log_std", 20, 7, 7, "log", FEW, OURS)
run("rsl_rl_lr_falls", 30, 9, 5, "scalar", {**FEW, "learning_rate": 9e-3, "desired_kl": 0.002},
    {**OURS, "learning_rate": 9e-3, "adaptive_lr": {"target_kl": 0.002}})
run("rsl_rl_per_minibatch", 40, 7, 7, "scalar",
    {**FEW, "normalize_advantage_per_mini_batch": True, "schedule": "fixed", "use_clipped_value_loss": False},
    {**OURS, "norm_adv": "minibatch", "adaptive_lr": None, "value_loss": "plain"})
