"""Tianshou's PPO.update(), TRPO.update() and NPG.update().
pip install tianshou==2.0.1 torch==2.15.0 safetensors==0.8.0 numpy==2.4.6"""

from importlib.metadata import version

import gymnasium
import numpy as np
import torch
from tianshou.algorithm import NPG, PPO, TRPO
from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Batch, VectorReplayBuffer

import common

VERSION = "2.0.1"
assert version("tianshou") == VERSION
Linear, Tanh, Sequential = torch.nn.Linear, torch.nn.Tanh, torch.nn.Sequential


class Actor(torch.nn.Module):
    def __init__(self, outputs, free_std):
        super().__init__()
        self.net = Sequential(Linear(3, 8), Tanh(), Linear(8, 6), Tanh(), Linear(6, outputs))
        self.log_std = torch.nn.Parameter(torch.tensor(common.f32([-0.1, 0.2]))) if free_std else None

    def forward(self, obs, state=None, info=None):
        out = self.net(torch.as_tensor(obs))
        return (out if self.log_std is None else (out, self.log_std.exp().expand_as(out))), state


class Critic(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Sequential(Linear(3, 7), Tanh(), Linear(7, 1))

    def forward(self, obs, **_):
        return self.net(torch.as_tensor(obs))


def normal(loc_scale):
    return torch.distributions.Independent(torch.distributions.Normal(*loc_scale), 1)


def categorical(logits):
    return torch.distributions.Categorical(logits=logits)


def run(case, cls, seed, steps, envs, choices, settings, batch_size, repeat, algorithm, overrides, rounding):
    data = common.rollout(seed, steps, envs, action_dims=2, choices=choices)
    rng = np.random.default_rng(seed + 9)
    data["truncated"] = (rng.random((steps, envs)) < 0.06) & ~data["terminated"]
    ends = data["terminated"] | data["truncated"]
    final_obs = common.f32(rng.normal(size=(steps, envs, 3)))
    actor, critic = Actor(choices or 2, not choices), Critic()
    common.perturb(actor, seed + 1)
    common.perturb(critic, seed + 2)
    space = gymnasium.spaces.Discrete(choices) if choices else gymnasium.spaces.Box(-9, 9, (2,), np.float64)
    policy = ProbabilisticActorPolicy(
        actor=actor, dist_fn=categorical if choices else normal, action_space=space, action_scaling=False,
        action_bound_method=None,
    )
    learner = cls(policy=policy, critic=critic, optim=AdamOptimizerFactory(), **settings)
    extra = {} if choices else {"log_std": actor.log_std}
    before = common.parameters(actor, critic, extra)
    buffer = VectorReplayBuffer(steps * envs, envs)
    for t in range(steps):
        after = data["obs"][t + 1] if t + 1 < steps else data["next_obs"]
        after = np.where(ends[t][:, None], final_obs[t], after)
        buffer.add(Batch(
            obs=data["obs"][t], act=data["actions"][t], rew=data["rewards"][t], terminated=data["terminated"][t],
            truncated=data["truncated"][t], obs_next=after, info=[{}] * envs,
        ))
    rows = steps * envs
    # Rows of one environment together: row = env * steps + t.
    ours = np.arange(rows).reshape(steps, envs).T.reshape(-1)
    kept = {}
    prepare = learner._preprocess_batch

    def spy(*arguments):
        batch = prepare(*arguments)
        # Old log-probabilities and values are those of the policy that is trained, computed anew.
        kept.update({name: batch[name].detach().numpy().copy() for name in ("logp_old", "returns", "v_s")})
        return batch

    learner._preprocess_batch = spy
    orders = common.Orders(seed + 3)
    shuffle, np.random.permutation = np.random.permutation, orders.draw
    policy.is_within_training_step = True
    stats = learner.update(buffer=buffer, batch_size=batch_size, repeat=repeat)
    np.random.permutation = shuffle

    def time_major(column):
        out = np.empty(rows)
        out[ours] = np.asarray(column, dtype=np.float64).reshape(-1)
        return out

    final_values = np.zeros((steps, envs))
    with torch.no_grad():
        fresh = Critic()
        fresh.load_state_dict({k: torch.tensor(before[f"vf.{int(k.split('.')[1]) // 2}.{k.split('.')[2]}"]) for k in critic.state_dict()})
        final_values[data["truncated"]] = fresh(final_obs)[..., 0].numpy()[data["truncated"]]
        last_values = fresh(data["next_obs"])[:, 0].numpy()
    inputs = {
        "obs": data["obs"].reshape(rows, -1), "actions": data["actions"].reshape((rows, -1) if not choices else (rows,)),
        "old_log_prob": time_major(kept["logp_old"]), "rewards": data["rewards"],
        "values": time_major(kept["v_s"]).reshape(steps, envs), "last_values": last_values, "final_values": final_values,
        "terminated": data["terminated"], "truncated": data["truncated"],
    }
    expected = {"returns": time_major(kept["returns"]), "value_loss": stats.vf_loss.mean}
    if cls is PPO:
        inputs["minibatch_order"] = ours[np.stack(orders.drawn)]
        expected |= {"policy_loss": stats.actor_loss.mean, "entropy": stats.ent_loss.mean, "loss": stats.loss.mean,
                     "optimizer_steps": stats.gradient_steps}
    else:
        inputs["minibatch_order"] = np.tile(np.arange(rows), (learner.optim_critic_iters, 1))
        # Of the critic they report the last step of the last policy step, which is one here.
        expected["last.value_loss"] = expected.pop("value_loss")
        expected["kl_after"] = stats.kl.mean
        if cls is TRPO:
            expected["step_size"] = stats.step_size.mean
    common.write(
        case, "tianshou", VERSION, "tianshou", algorithm, overrides, {**settings, "batch_size": batch_size, "repeat": repeat},
        "categorical" if choices else "gaussian", "tanh", before, common.parameters(actor, critic, extra), inputs, expected,
        actor.net, critic.net, rounding,
    )


# The ratio is rounded to float32 in PPO and TRPO, 2^-24 of each row's term.
run("tianshou_ppo_merged_last", PPO, 310, 26, 5, 4, {}, 64, 3, "ppo", {"update_epochs": 3}, 1e-6)
run("tianshou_ppo_dual_clip", PPO, 320, 20, 5, None,
    {"dual_clip": 2.0, "value_clip": True, "max_grad_norm": 0.5, "advantage_normalization": False}, 30, 2, "ppo",
    {"update_epochs": 2, "minibatch_size": 30, "dual_clip": 2.0, "value_loss": "clip_max", "max_grad_norm": 0.5, "norm_adv": "none"}, 1e-6)
# Seeds of the two Gaussian ones: with most others, conjugate gradients in float32 are off by more than the rest of the update.
run("tianshou_npg", NPG, 363, 26, 5, None, {"trust_region_size": 0.1}, None, 1, "npg", {"trust_region": {"step_size": 0.1}}, 0.0)
run("tianshou_npg_discrete", NPG, 340, 19, 3, 4, {}, None, 1, "npg", {}, 0.0)
run("tianshou_trpo", TRPO, 363, 26, 5, None, {}, None, 1, "trpo", {}, 1e-6)
