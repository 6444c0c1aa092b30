"""TorchRL's ClipPPOLoss with torch.optim.Adam, over a ReplayBuffer with SamplerWithoutReplacement, as its PPO scripts have it.
pip install torchrl==0.14.1 torch==2.15.0 safetensors==0.8.0 numpy==2.4.6"""

from importlib.metadata import version

import numpy as np
import torch
from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torchrl.data import LazyTensorStorage, ReplayBuffer
from torchrl.data.replay_buffers.samplers import SamplerWithoutReplacement
from torchrl.modules import ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

import common

VERSION = "0.14.1"
assert version("torchrl") == VERSION
Linear, Tanh, Sequential = torch.nn.Linear, torch.nn.Tanh, torch.nn.Sequential


class Normal(torch.distributions.Independent):
    def __init__(self, loc, scale):
        super().__init__(torch.distributions.Normal(loc, scale), 1)


class Actor(torch.nn.Module):
    def __init__(self, outputs, free_std):
        super().__init__()
        self.net = Sequential(Linear(3, 8), Tanh(), Linear(8, 6), Tanh(), Linear(6, outputs))
        self.log_std = torch.nn.Parameter(torch.tensor(common.f32([-0.1, 0.2]))) if free_std else None

    def forward(self, obs):
        out = self.net(obs)
        return out if self.log_std is None else (out, self.log_std.exp().expand_as(out))


def run(case, seed, steps, envs, choices, settings, training, overrides, constant=False):
    data = common.rollout(seed, steps, envs, action_dims=2, choices=choices)
    actor = Actor(choices or 2, not choices)
    critic = Sequential(Linear(3, 7), Tanh(), Linear(7, 1))
    common.perturb(actor, seed + 1)
    common.perturb(critic, seed + 2)
    keys = ["logits"] if choices else ["loc", "scale"]
    policy = ProbabilisticActor(
        TensorDictModule(actor, ["observation"], keys), in_keys=keys,
        distribution_class=torch.distributions.Categorical if choices else Normal, return_log_prob=True,
    )
    value = ValueOperator(critic, in_keys=["observation"])
    extra = {} if choices else {"log_std": actor.log_std}
    before = common.parameters(actor, critic, extra)
    rows = steps * envs
    obs = torch.tensor(data["obs"])
    after = torch.cat([obs[1:], torch.tensor(data["next_obs"])[None]])
    done = torch.tensor(data["terminated"])[..., None]
    with torch.no_grad():
        dist = policy.get_dist(TensorDict({"observation": obs}, [steps, envs]))
        logp = dist.log_prob(torch.tensor(data["actions"])).numpy()
        values = critic(obs)[..., 0].numpy()
        last_values = critic(after[-1])[:, 0].numpy()
    logp = common.f32(logp + 0.05 * data["noise"])
    # Time is the last batch dimension there.
    td = TensorDict({
        "observation": obs, "action": torch.tensor(data["actions"]), "action_log_prob": torch.tensor(logp),
        "next": TensorDict({
            "observation": after, "reward": torch.tensor(data["rewards"])[..., None], "done": done, "terminated": done,
        }, [steps, envs]),
    }, [steps, envs]).transpose(0, 1).contiguous()
    if constant:
        # All advantages alike but for 1e-7: the floor of the deviation decides.
        advantages = common.f32(1e-7 * data["noise"])
        returns = common.f32(values + data["value_noise"])
        td["advantage"], td["value_target"] = torch.tensor(advantages.T.copy())[..., None], torch.tensor(returns.T.copy())[..., None]
        td["state_value"] = torch.tensor(values.T.copy())[..., None]
    else:
        with torch.no_grad():
            td = GAE(gamma=0.99, lmbda=0.95, value_network=value)(td)
    returns = td["value_target"][..., 0].transpose(0, 1).reshape(-1).numpy().copy()
    advantages = td["advantage"][..., 0].transpose(0, 1).reshape(-1).numpy().copy()
    ours = np.arange(rows).reshape(steps, envs).T.reshape(-1)
    flat = td.reshape(-1)
    loss_module = ClipPPOLoss(policy, value, **settings)
    optimizer = torch.optim.Adam(loss_module.parameters(), lr=training["lr"])
    buffer = ReplayBuffer(storage=LazyTensorStorage(rows), sampler=SamplerWithoutReplacement(), batch_size=training["batch_size"])
    orders = common.Orders(seed + 3)
    draw, torch.randperm = torch.randperm, lambda n, **_: torch.tensor(orders.draw(n))
    buffer.extend(flat)
    visited, traces = [], {"policy_loss": [], "value_loss": [], "entropy": []}
    for _ in range(training["epochs"]):
        for minibatch in buffer:
            visited.append(len(minibatch))
            losses = loss_module(minibatch)
            loss = losses["loss_objective"] + losses["loss_critic"] + losses["loss_entropy"]
            traces["policy_loss"].append(losses["loss_objective"].item())
            traces["value_loss"].append(losses["loss_critic"].item())
            traces["entropy"].append(losses["entropy"].item())
            optimizer.zero_grad()
            loss.backward()
            if training["max_grad_norm"]:
                torch.nn.utils.clip_grad_norm_(loss_module.parameters(), training["max_grad_norm"])
            optimizer.step()
    torch.randperm = draw
    used = [order for order in orders.drawn if len(order) == rows][: training["epochs"]]
    print("minibatches", visited, "permutations drawn", [len(order) for order in orders.drawn])
    inputs = {
        "obs": data["obs"].reshape(rows, -1), "actions": data["actions"].reshape((rows, -1) if not choices else (rows,)),
        "old_log_prob": logp.reshape(-1), "minibatch_order": ours[np.stack(used)],
    }
    stats = {"policy_loss": np.mean(traces["policy_loss"]), "entropy": np.mean(traces["entropy"])}
    scale = settings.get("critic_coeff", 1.0)
    stats["value_loss"] = np.mean(traces["value_loss"]) / scale
    if constant:
        inputs |= {"advantages": advantages, "returns": returns, "old_values": values.reshape(-1)}
    else:
        inputs |= {"rewards": data["rewards"], "values": values, "last_values": last_values, "terminated": data["terminated"], "truncated": data["truncated"]}
        stats["returns"] = returns
    common.write(
        case, "torchrl", VERSION, "torchrl", "ppo", overrides, {**settings, **training}, "categorical" if choices else "gaussian",
        "tanh", before, common.parameters(actor, critic, extra), inputs, stats, actor.net, critic, 0.0,
    )


TRAIN = {"lr": 3e-4, "batch_size": 40, "epochs": 3, "max_grad_norm": None}
OURS = {"learning_rate": 3e-4, "minibatch_size": 40, "update_epochs": 3, "max_grad_norm": None}
run("torchrl_defaults", 510, 26, 5, 4, {}, TRAIN, OURS)
run("torchrl_normalized", 520, 26, 5, None, {"normalize_advantage": True, "clip_value": True, "loss_critic_type": "l2"}, {**TRAIN, "max_grad_norm": 0.5},
    {**OURS, "max_grad_norm": 0.5, "norm_adv": "minibatch", "value_loss": "clip_max", "vf_loss_scale": 1.0})
run("torchrl_advantages_alike", 530, 20, 4, 4, {"normalize_advantage": True}, {**TRAIN, "max_grad_norm": 0.5},
    {**OURS, "max_grad_norm": 0.5, "norm_adv": "minibatch"}, constant=True)
