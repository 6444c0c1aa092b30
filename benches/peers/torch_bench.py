"""PyTorch, eager: the rows of benches/cpu.rs. `python torch_bench.py [--compile] [WORD…]` prints a line of JSON per row. On the CPU, or where device.py
says.

With --compile, `ppo_step` and `fvp` go through torch.compile, and on a GPU each call is one replay of a CUDA graph. `gae` is a graph alone: its loop
would be unrolled by the compiler, for minutes.
"""

import json
import os

import torch
from torch.distributions import Categorical, Normal
from torch.func import functional_call, jvp, vjp

import cases
import device
from cases import BETA1, BETA2, CLIP, ENT_COEF, EPS, GAMMA, LAMBDA, LR, MAX_NORM, VF_COEF

WHERE = torch.device(device.NAME)
COMPILE = device.flag("--compile")


def there(array):
    return torch.from_numpy(array).to(WHERE)


def wait(_):
    if WHERE.type == "cuda":
        torch.cuda.synchronize()


def graphed(call):
    """One replay of what `call` does, after the warm-up that a capture needs."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(5):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def faster(call, compiles=True):
    """`call` compiled, and on a GPU in a graph."""
    call = torch.compile(call) if compiles else call
    return graphed(call) if WHERE.type == "cuda" else call


def mlp(network):
    modules = []
    for weight, bias in network:
        linear = torch.nn.Linear(*weight.shape)
        linear.weight.data = there(weight.T.copy())
        linear.bias.data = there(bias)
        modules += [linear, torch.nn.Tanh()]
    return torch.nn.Sequential(*modules[:-1])


def ppo_step(name):
    actor, critic, log_std = cases.networks(name)
    actor, critic, log_std = mlp(actor), mlp(critic), torch.nn.Parameter(there(log_std))
    categorical = cases.NETS[name][2] == "categorical"
    parameters = [*actor.parameters(), *critic.parameters()] + ([] if categorical else [log_std])
    # `capturable`: its step count lives on the device, which a graph needs.
    optimizer = torch.optim.Adam(parameters, lr=LR, betas=(BETA1, BETA2), eps=EPS, capturable=COMPILE and WHERE.type == "cuda")
    obs, action, logp_old, advantage, returns, values_old = map(there, cases.minibatch(name))

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
    actor, log_std = mlp(actor), there(log_std)
    parameters = {key: value.detach() for key, value in actor.named_parameters()}
    obs = there(cases.minibatch(name)[0])
    categorical = cases.NETS[name][2] == "categorical"
    tangent = {key: there(cases.wave(*value.shape, phase=0.2)) for key, value in parameters.items()}
    of_log_std = there(cases.wave(*log_std.shape, phase=0.2))
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
    rewards, values, final_values, terminated, truncated = map(there, cases.window(name))

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
    peer = "pytorch" if not COMPILE else "pytorch-graph" if WHERE.type == "cuda" else "pytorch-compile"
    where = torch.cuda.get_device_name() if WHERE.type == "cuda" else "cpu"
    print(json.dumps({"peer": peer, "version": torch.__version__, "device": where, "cores": os.cpu_count()}), flush=True)
    for kind, names in ((ppo_step, cases.NETS), (fvp, cases.NETS), (gae, cases.WINDOWS)):
        for name in names:
            row = f"{kind.__name__}/{name}"
            if cases.wanted(row):
                call = kind(name)
                if COMPILE:
                    call = faster(call, compiles=kind is not gae)
                call, count = device.paced(call, wait)
                cases.report(row, call, seconds=device.SECONDS, share=count)
