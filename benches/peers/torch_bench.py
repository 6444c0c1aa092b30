"""PyTorch, eager, on the CPU: the rows of benches/cpu.rs. `python torch_bench.py [WORD…]` prints a line of JSON per row."""

import json
import os

import torch
from torch.distributions import Categorical, Normal
from torch.func import functional_call, jvp, vjp

import cases
from cases import BETA1, BETA2, CLIP, ENT_COEF, EPS, GAMMA, LAMBDA, LR, MAX_NORM, VF_COEF


def mlp(network):
    modules = []
    for weight, bias in network:
        linear = torch.nn.Linear(*weight.shape)
        linear.weight.data = torch.from_numpy(weight.T.copy())
        linear.bias.data = torch.from_numpy(bias)
        modules += [linear, torch.nn.Tanh()]
    return torch.nn.Sequential(*modules[:-1])


def ppo_step(name):
    actor, critic, log_std = cases.networks(name)
    actor, critic, log_std = mlp(actor), mlp(critic), torch.nn.Parameter(torch.from_numpy(log_std))
    categorical = cases.NETS[name][2] == "categorical"
    parameters = [*actor.parameters(), *critic.parameters()] + ([] if categorical else [log_std])
    optimizer = torch.optim.Adam(parameters, lr=LR, betas=(BETA1, BETA2), eps=EPS)
    obs, action, logp_old, advantage, returns, values_old = map(torch.from_numpy, cases.minibatch(name))

    def call():
        if categorical:
            dist = Categorical(logits=actor(obs), validate_args=False)
            logp, entropy = dist.log_prob(action), dist.entropy()
        else:
            mean = actor(obs)
            dist = Normal(mean, log_std.exp().expand_as(mean), validate_args=False)
            logp, entropy = dist.log_prob(action).sum(1), dist.entropy().sum(1)
        values = critic(obs)[:, 0]
        ratio = (logp - logp_old).exp()
        policy = -torch.min(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage).mean()
        clipped = values_old + (values - values_old).clamp(-CLIP, CLIP)
        value = 0.5 * torch.max((values - returns) ** 2, (clipped - returns) ** 2).mean()
        optimizer.zero_grad()
        (policy - ENT_COEF * entropy.mean() + VF_COEF * value).backward()
        torch.nn.utils.clip_grad_norm_(parameters, MAX_NORM)
        optimizer.step()

    return call


def fvp(name):
    """Jᵀ M J v / n."""
    actor, _, log_std = cases.networks(name)
    actor, log_std = mlp(actor), torch.from_numpy(log_std)
    parameters = {key: value.detach() for key, value in actor.named_parameters()}
    obs = torch.from_numpy(cases.minibatch(name)[0])
    categorical = cases.NETS[name][2] == "categorical"
    tangent = {key: torch.from_numpy(cases.wave(*value.shape, phase=0.2)) for key, value in parameters.items()}
    of_log_std = torch.from_numpy(cases.wave(*log_std.shape, phase=0.2))
    forward = lambda parameters: functional_call(actor, parameters, (obs,))

    def call():
        raw, d_raw = jvp(forward, (parameters,), (tangent,))
        if categorical:
            p = raw.softmax(1)
            d_raw = p * (d_raw - (p * d_raw).sum(1, keepdim=True))
        else:
            d_raw = d_raw * torch.exp(-2 * log_std)
        _, back = vjp(forward, parameters)
        return back(d_raw / len(obs)), 2 * of_log_std

    return call


def gae(name):
    rewards, values, final_values, terminated, truncated = map(torch.from_numpy, cases.window(name))

    def call():
        following = torch.where(truncated, final_values, values[1:]).masked_fill(terminated, 0.0)
        delta = rewards + GAMMA * following - values[:-1]
        go_on = GAMMA * LAMBDA * (~(terminated | truncated)).float()
        advantages, carry = torch.empty_like(delta), torch.zeros_like(delta[0])
        for t in reversed(range(len(delta))):
            carry = torch.addcmul(delta[t], go_on[t], carry, out=advantages[t])
        return advantages, advantages + values[:-1]

    return call


if __name__ == "__main__":
    print(json.dumps({"peer": "pytorch", "version": torch.__version__, "cores": os.cpu_count()}))
    for kind, names in ((ppo_step, cases.NETS), (fvp, cases.NETS), (gae, cases.WINDOWS)):
        for name in names:
            row = f"{kind.__name__}/{name}"
            if cases.wanted(row):
                cases.report(row, kind(name))
