"""PyTorch, eager, on the CPU, as CleanRL's single files have it: the off-policy rows of benches/off_policy.rs.

`python off_policy_torch.py [WORD…]` prints a line of JSON per row. A call is two gradient steps, each on a batch drawn from the buffer; what is printed is
one step's share.
"""

import json
import os

import numpy as np
import torch
import torch.nn.functional as F

import cases
from cases import BETA1, BETA2, BUFFER, GAMMA, NOISE, NOISE_CLIP, Q_LR, TAU


def mlp(network):
    modules = []
    for weight, bias in network:
        linear = torch.nn.Linear(*weight.shape)
        linear.weight.data = torch.from_numpy(weight.T.copy())
        linear.bias.data = torch.from_numpy(bias.copy())
        modules += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1])


def twice(make):
    """Two networks with the same numbers."""
    return make(), make()


def adam(*modules):
    return torch.optim.Adam([p for module in modules for p in module.parameters()], lr=Q_LR, betas=(BETA1, BETA2))


def follow(target, online):
    for t, o in zip(target.parameters(), online.parameters()):
        t.data.copy_(TAU * o.data + (1 - TAU) * t.data)


class Buffer:
    def __init__(self, name, discrete):
        self.arrays, self.rows = cases.transitions(name, discrete), cases.CRITICS[name][3]

    def sample(self):
        index = np.random.randint(0, BUFFER, self.rows)
        obs, next_obs, action, reward, terminated = (torch.from_numpy(array[index]) for array in self.arrays)
        return obs, next_obs, action, reward, terminated.float()


def q_of(critic, obs, action):
    return critic(torch.cat((obs, action), 1))[:, 0]


def squashed(raw):
    mean, log_std = raw.chunk(2, 1)
    normal = torch.distributions.Normal(mean, log_std.clamp(-20, 2).exp(), validate_args=False)
    u = normal.rsample()
    logp = normal.log_prob(u) - 2 * (np.log(2) - u - F.softplus(-2 * u))
    return torch.tanh(u), logp.sum(1)


def sac_update(name):
    obs_dim, hidden, actions, _ = cases.CRITICS[name]
    rng = np.random.default_rng(1)
    actor = mlp(cases.layers(obs_dim, hidden, 2 * actions, rng))
    (q1, t1), (q2, t2) = (twice(lambda: mlp(net)) for net in [cases.layers(obs_dim + actions, hidden, 1, rng) for _ in range(2)])
    log_alpha = torch.zeros(1, requires_grad=True)
    of_actor, of_critics, of_alpha = adam(actor), adam(q1, q2), torch.optim.Adam([log_alpha], lr=Q_LR)
    buffer = Buffer(name, False)

    def step(_):
        obs, next_obs, action, reward, terminated = buffer.sample()
        alpha = log_alpha.exp().item()
        with torch.no_grad():
            next_action, next_logp = squashed(actor(next_obs))
            least = torch.min(q_of(t1, next_obs, next_action), q_of(t2, next_obs, next_action))
            y = reward + GAMMA * (1 - terminated) * (least - alpha * next_logp)
        loss = 0.5 * (F.mse_loss(q_of(q1, obs, action), y) + F.mse_loss(q_of(q2, obs, action), y))
        of_critics.zero_grad()
        loss.backward()
        of_critics.step()
        drawn, logp = squashed(actor(obs))
        of_actor.zero_grad()
        (alpha * logp - torch.min(q_of(q1, obs, drawn), q_of(q2, obs, drawn))).mean().backward()
        of_actor.step()
        of_alpha.zero_grad()
        (-log_alpha * (logp.detach() - actions)).mean().backward()
        of_alpha.step()
        follow(t1, q1)
        follow(t2, q2)

    return step


def td3_update(name):
    obs_dim, hidden, actions, _ = cases.CRITICS[name]
    rng = np.random.default_rng(1)
    layers = cases.layers(obs_dim, hidden, actions, rng)
    actor, actor_target = twice(lambda: mlp(layers))
    (q1, t1), (q2, t2) = (twice(lambda: mlp(net)) for net in [cases.layers(obs_dim + actions, hidden, 1, rng) for _ in range(2)])
    of_actor, of_critics = adam(actor), adam(q1, q2)
    buffer = Buffer(name, False)

    def step(moves):
        obs, next_obs, action, reward, terminated = buffer.sample()
        with torch.no_grad():
            noise = (torch.randn_like(action) * NOISE).clamp(-NOISE_CLIP, NOISE_CLIP)
            next_action = (torch.tanh(actor_target(next_obs)) + noise).clamp(-1, 1)
            y = reward + GAMMA * (1 - terminated) * torch.min(q_of(t1, next_obs, next_action), q_of(t2, next_obs, next_action))
        loss = F.mse_loss(q_of(q1, obs, action), y) + F.mse_loss(q_of(q2, obs, action), y)
        of_critics.zero_grad()
        loss.backward()
        of_critics.step()
        if moves:
            of_actor.zero_grad()
            (-q_of(q1, obs, torch.tanh(actor(obs))).mean()).backward()
            of_actor.step()
            for target, online in ((actor_target, actor), (t1, q1), (t2, q2)):
                follow(target, online)

    return step


def dqn_update(name):
    obs_dim, hidden, choices, _ = cases.CRITICS[name]
    layers = cases.layers(obs_dim, hidden, choices, np.random.default_rng(1))
    network, target = twice(lambda: mlp(layers))
    optimizer, buffer = adam(network), Buffer(name, True)

    def step(_):
        obs, next_obs, action, reward, terminated = buffer.sample()
        with torch.no_grad():
            y = reward + GAMMA * (1 - terminated) * target(next_obs).max(1).values
        loss = F.smooth_l1_loss(network(obs).gather(1, action.long()[:, None])[:, 0], y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        follow(target, network)

    return step


if __name__ == "__main__":
    print(json.dumps({"peer": "pytorch", "version": torch.__version__, "cores": os.cpu_count()}))
    for kind in (sac_update, td3_update, dqn_update):
        for name in cases.CRITICS:
            row = f"{kind.__name__}/{name}"
            if cases.wanted(row):
                step = kind(name)
                cases.report(row, lambda: (step(False), step(True)), share=2)
