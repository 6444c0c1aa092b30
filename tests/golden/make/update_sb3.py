"""Stable-Baselines3's PPO.train() and sb3-contrib's TRPO.train().
pip install stable-baselines3==2.9.2 sb3-contrib==2.9.2 torch==2.15.0 gymnasium==1.4.0 safetensors==0.8.0 numpy==2.4.6"""

from importlib.metadata import version

import gymnasium
import numpy as np
import torch
from sb3_contrib import TRPO
from sb3_contrib.common import utils as contrib
from stable_baselines3 import PPO
from stable_baselines3.common import policies
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import DummyVecEnv

import common

VERSION = "2.9.2"
assert version("stable-baselines3") == version("sb3-contrib") == VERSION

# The library casts observations to float32 on their way in; here they stay float64.
policies.preprocess_obs = lambda obs, *_, **__: obs


class Spaces(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float64)

    def __init__(self, action_space):
        self.action_space = action_space

    def reset(self, **_):
        return np.zeros(3), {}


def run(case, cls, seed, steps, envs, choices, settings, preset, overrides):
    dims = 2
    data = common.rollout(seed, steps, envs, action_dims=dims, choices=choices)
    space = gymnasium.spaces.Discrete(choices) if choices else gymnasium.spaces.Box(-9, 9, (dims,), np.float64)
    nets = {"pi": [8, 6], "vf": [7]}
    model = cls("MlpPolicy", DummyVecEnv([lambda: Spaces(space)] * envs), n_steps=steps, policy_kwargs={"net_arch": nets},
                seed=0, device="cpu", **settings)
    model.set_logger(configure(None, []))
    policy = model.policy.double()
    actor = torch.nn.Sequential(policy.mlp_extractor.policy_net, policy.action_net)
    critic = torch.nn.Sequential(policy.mlp_extractor.value_net, policy.value_net)
    common.perturb(actor, seed + 1)
    common.perturb(critic, seed + 2)
    extra = {}
    if not choices:
        with torch.no_grad():
            policy.log_std.copy_(torch.tensor(common.f32([-0.1, 0.2])))
        extra = {"log_std": policy.log_std}
    before = common.parameters(actor, critic, extra)
    flat = lambda array: torch.tensor(array.reshape(steps * envs, *array.shape[2:]))
    with torch.no_grad():
        values, logp, _ = policy.evaluate_actions(flat(data["obs"]), flat(data["actions"]))
        last_values = policy.predict_values(torch.tensor(data["next_obs"]))[:, 0]
    logp = common.f32(logp.numpy().reshape(steps, envs) + 0.05 * data["noise"])
    values = common.f32(values.numpy().reshape(steps, envs) + 0.1 * data["value_noise"])
    buffer = model.rollout_buffer
    buffer.reset()
    # The buffer is float32 in the library; here it is widened, or the comparison would be one of its rounding.
    starts = np.zeros((steps, envs))
    starts[1:] = data["terminated"][:-1]
    buffer.observations = data["obs"]
    buffer.actions = data["actions"].astype(np.float64).reshape(steps, envs, -1)
    buffer.rewards, buffer.values, buffer.log_probs, buffer.episode_starts = data["rewards"], values, logp, starts
    buffer.advantages, buffer.returns = np.zeros((steps, envs)), np.zeros((steps, envs))
    buffer.pos, buffer.full = steps, True
    buffer.compute_returns_and_advantage(last_values, data["terminated"][-1])
    returns = buffer.returns.copy()
    # It keeps the rows of one environment together: row = env * steps + t.
    rows = steps * envs
    ours = np.arange(rows).reshape(steps, envs).T.reshape(-1)
    orders = common.Orders(seed + 3)
    shuffle, np.random.permutation = np.random.permutation, orders.draw
    # TRPO's conjugate gradients begin at a small draw, which is made 0.
    noise, contrib.th.randn_like = contrib.th.randn_like, torch.zeros_like
    model._current_progress_remaining = 1.0
    model.train()
    np.random.permutation, contrib.th.randn_like = shuffle, noise
    drawn = ours[np.stack(orders.drawn)]
    logged = model.logger.name_to_value
    inputs = {
        "obs": data["obs"].reshape(rows, -1), "actions": data["actions"].reshape(rows, -1) if not choices else data["actions"].reshape(rows),
        "old_log_prob": logp.reshape(-1), "rewards": data["rewards"], "values": values, "last_values": last_values.numpy(),
        "terminated": data["terminated"], "truncated": data["truncated"],
    }
    stats = {"returns": returns.reshape(-1)}
    if cls is PPO:
        inputs["minibatch_order"] = drawn
        stats |= {
            "value_loss": logged["train/value_loss"], "policy_loss": logged["train/policy_gradient_loss"],
            "entropy": -logged["train/entropy_loss"],
        }
    else:
        inputs["policy_order"], inputs["minibatch_order"] = drawn[0], drawn[1:]
        stats |= {
            "value_loss": logged["train/value_loss"], "surrogate_after": logged["train/policy_objective"],
            "kl_after": logged["train/kl_divergence_loss"] * (1 if choices else dims),
            "accepted": int(logged["train/is_line_search_success"]),
        }
    common.write(
        case, "stable-baselines3" if cls is PPO else "sb3-contrib", VERSION, preset, cls.__name__.lower(), overrides,
        {k: v for k, v in settings.items()}, "categorical" if choices else "gaussian", "tanh", before,
        common.parameters(actor, critic, extra), inputs, stats, actor, critic, 0.0,
    )


if __name__ == "__main__":
    run("sb3_130_rows_by_64", PPO, 210, 26, 5, 4, {"n_epochs": 3}, "sb3", {"update_epochs": 3})
    run("sb3_last_of_one_row", PPO, 220, 13, 5, None, {"n_epochs": 2, "batch_size": 16, "clip_range_vf": 0.1, "ent_coef": 0.01},
        "sb3", {"update_epochs": 2, "minibatch_size": 16, "value_loss": "clip_only", "clip_coef_vf": 0.1, "ent_coef": 0.01})
    run("sb3_contrib_sub_sampling", TRPO, 230, 26, 5, 4, {"sub_sampling_factor": 3, "n_critic_updates": 2}, "sb3-contrib",
        {"update_epochs": 2, "trust_region": {"subsample": 3}})
    # The Gaussian's KL is a mean over dimensions there, and a sum here.
    run("sb3_contrib_sub_sampling_gaussian", TRPO, 240, 26, 5, None, {"sub_sampling_factor": 4, "n_critic_updates": 2}, "sb3-contrib",
        {"update_epochs": 2, "trust_region": {"subsample": 4, "max_kl": 0.02, "damping": 0.2}})
