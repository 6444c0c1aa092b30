"""PyTorch: whole iterations of PPO in CartPole, environments included, the rows of jax_train.py. `python torch_train.py [--compile] [WORD…]` prints a line
of JSON per row, on the CPU or where device.py says; `--learn` prints the mean length of the episodes that ended, a line an iteration.

Environments are rows of tensors on the same device, so nothing goes through the host. With --compile a step of the environments and a minibatch go
through torch.compile, and on a GPU a whole iteration is one replay of a CUDA graph. A truncated episode counts as terminated, as in jax_train.py.
"""

import json
import math
import os

import numpy as np
import torch
import torch.nn.functional as F

import cases
import device
from cases import BETA1, BETA2, CLIP, EPS, GAMMA, LAMBDA, MAX_NORM, VF_COEF
from torch_bench import COMPILE, WHERE, graphed, mlp, wait

HIDDEN, LIMIT = (64, 64), 500
# Environments, steps, epochs, minibatches, learning rate, weight of the entropy, whether the value loss is clipped.
TRAINS = {"256x128": (256, 128, 4, 4, 2.5e-4, 0.01, True)}


def physics(state, action):
    """One step of CartPole-v1, and whether the state after it is terminal."""
    x, x_dot, theta, theta_dot = state.unbind(1)
    force = action * 20.0 - 10.0
    sin, cos = theta.sin(), theta.cos()
    temp = (force + 0.05 * theta_dot**2 * sin) / 1.1
    theta_acc = (9.8 * sin - cos * temp) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
    x_acc = temp - 0.05 * theta_acc * cos / 1.1
    state = torch.stack([x + 0.02 * x_dot, x_dot + 0.02 * x_acc, theta + 0.02 * theta_dot, theta_dot + 0.02 * theta_acc], 1)
    return state, (state[:, 0].abs() > 2.4) | (state[:, 2].abs() > 12 * 2 * math.pi / 360)


def train(name):
    """A function that does one iteration, and the tensor that then has the lengths of the episodes that ended."""
    envs, steps, epochs, minibatches, rate, ent_coef, clipped_value = TRAINS[name][:7]
    rows = envs * steps
    rng = np.random.default_rng(1)
    actor, critic = mlp(cases.layers(4, HIDDEN, 2, rng)), mlp(cases.layers(4, HIDDEN, 1, rng))
    critic[-1].weight.data *= 100
    parameters = [*actor.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=rate, betas=(BETA1, BETA2), eps=EPS, capturable=COMPILE and WHERE.type == "cuda")
    empty = lambda *shape, dtype=torch.float32: torch.zeros(*shape, dtype=dtype, device=WHERE)
    state, length = torch.rand(envs, 4, device=WHERE) * 0.1 - 0.05, empty(envs)
    obs, action, done, ended = empty(steps + 1, envs, 4), empty(steps, envs, dtype=torch.int64), empty(steps, envs), empty(steps, envs)

    def step(state, length, u, start):
        action = (actor(state) - torch.log(-torch.log(u))).argmax(1)
        after, terminated = physics(state, action.float())
        over = terminated | (length + 1 >= LIMIT)
        return torch.where(over[:, None], start, after), torch.where(over, 0.0, length + 1), action, over.float(), torch.where(over, length + 1, 0.0)

    def minibatch(obs, action, logp_old, advantage, returns, values_old):
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        logp = F.log_softmax(actor(obs), 1)
        entropy = -(logp.exp() * logp).sum(1).mean()
        ratio = (logp.gather(1, action[:, None])[:, 0] - logp_old).exp()
        policy = -torch.min(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage).mean()
        values = critic(obs)[:, 0]
        if clipped_value:
            near = values_old + (values - values_old).clamp(-CLIP, CLIP)
            value = 0.5 * torch.max((values - returns) ** 2, (near - returns) ** 2).mean()
        else:
            value = ((values - returns) ** 2).mean()
        optimizer.zero_grad()
        (policy - ent_coef * entropy + VF_COEF * value).backward()
        torch.nn.utils.clip_grad_norm_(parameters, MAX_NORM)
        optimizer.step()

    if COMPILE:
        step, minibatch = torch.compile(step), torch.compile(minibatch)

    @torch.no_grad()
    def rollout():
        u = torch.rand(steps, envs, 2, device=WHERE).clamp(1e-7, 1 - 1e-7)
        starts = torch.rand(steps, envs, 4, device=WHERE) * 0.1 - 0.05
        now, age = state, length
        for t in range(steps):
            obs[t] = now
            now, age, action[t], done[t], ended[t] = step(now, age, u[t], starts[t])
        obs[steps] = now
        state.copy_(now)
        length.copy_(age)
        values, logp = critic(obs)[..., 0], F.log_softmax(actor(obs[:steps]), 2)
        go_on = GAMMA * (1 - done)
        delta, advantages = 1 + go_on * values[1:] - values[:steps], torch.empty_like(done)
        carry = torch.zeros_like(length)
        for t in reversed(range(steps)):
            carry = torch.addcmul(delta[t], LAMBDA * go_on[t], carry, out=advantages[t])
        logp = logp.gather(2, action[..., None])[..., 0]
        return tuple(x.reshape(rows, *x.shape[2:]) for x in (obs[:steps], action, logp, advantages, advantages + values[:steps], values[:steps]))

    def iteration():
        batch = rollout()
        for _ in range(epochs):
            for rows_of in torch.rand(rows, device=WHERE).argsort().chunk(minibatches):
                minibatch(*(x[rows_of] for x in batch))

    return graphed(iteration) if COMPILE and WHERE.type == "cuda" else iteration, ended


if __name__ == "__main__":
    learn = device.flag("--learn")
    peer = "pytorch" if not COMPILE else "pytorch-graph" if WHERE.type == "cuda" else "pytorch-compile"
    where = torch.cuda.get_device_name() if WHERE.type == "cuda" else "cpu"
    print(json.dumps({"peer": peer, "version": torch.__version__, "device": where, "cores": os.cpu_count()}), flush=True)
    for name in TRAINS:
        if cases.wanted(f"train/{name}"):
            call, ended = train(name)
            if learn:
                for _ in range(60):
                    call()
                    print(round((ended.sum() / (ended > 0).sum().clamp(1)).item(), 1))
            else:
                call, count = device.paced(call, wait)
                cases.report(f"train/{name}", call, seconds=device.SECONDS, share=count)
