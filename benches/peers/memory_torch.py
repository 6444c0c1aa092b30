"""PyTorch, eager: the update of benches/memory.rs, for memory.py. `idle` makes rows and parameters only."""

import json
import sys

import torch
from torch.distributions import Normal

import cases
from cases import BETA1, BETA2, CLIP, ENT_COEF, EPOCHS, EPS, LR, MAX_NORM, MINIBATCHES, VF_COEF
from torch_bench import mlp

actor, critic, log_std = cases.networks("humanoid")
actor, critic, log_std = mlp(actor), mlp(critic), torch.nn.Parameter(torch.from_numpy(log_std))
parameters = [*actor.parameters(), *critic.parameters(), log_std]
optimizer = torch.optim.Adam(parameters, lr=LR, betas=(BETA1, BETA2), eps=EPS)
rows, steps = tuple(map(torch.from_numpy, cases.minibatch("humanoid"))), 0


def step(own):
    obs, action, logp_old, advantage, returns, values_old = (x[own] for x in rows)
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    mean = actor(obs)
    dist = Normal(mean, log_std.exp().expand_as(mean), validate_args=False)
    values = critic(obs)[:, 0]
    ratio = (dist.log_prob(action).sum(1) - logp_old).exp()
    policy = -torch.min(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage).mean()
    clipped = values_old + (values - values_old).clamp(-CLIP, CLIP)
    value = 0.5 * torch.max((values - returns) ** 2, (clipped - returns) ** 2).mean()
    optimizer.zero_grad()
    (policy - ENT_COEF * dist.entropy().sum(1).mean() + VF_COEF * value).backward()
    torch.nn.utils.clip_grad_norm_(parameters, MAX_NORM)
    optimizer.step()


if "idle" not in sys.argv:
    for _ in range(EPOCHS):
        for own in torch.randperm(len(rows[0])).chunk(MINIBATCHES):
            step(own)
            steps += 1
print(json.dumps({"peer": "PyTorch", "version": torch.__version__, "steps": steps, "peak": cases.peak()}))
