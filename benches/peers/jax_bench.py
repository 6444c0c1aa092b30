"""JAX, jitted: the rows of benches/cpu.rs. `python jax_bench.py [WORD…]` prints a line of JSON per row. On the CPU, or where device.py says."""

import json
import os

import device  # before jax, which reads what it sets

import jax
import jax.numpy as jnp
from jax import lax

import cases
from cases import BETA1, BETA2, CLIP, ENT_COEF, EPS, GAMMA, LAMBDA, LR, MAX_NORM, VF_COEF


def mlp(network, x):
    for weight, bias in network[:-1]:
        x = jnp.tanh(x @ weight + bias)
    weight, bias = network[-1]
    return x @ weight + bias


def logp_and_entropy(head, raw, log_std, action):
    if head == "categorical":
        logp = jax.nn.log_softmax(raw)
        return jnp.take_along_axis(logp, action[:, None], 1)[:, 0], -(jnp.exp(logp) * logp).sum(1)
    z = (action - raw) * jnp.exp(-log_std)
    logp = (-0.5 * z * z - log_std - 0.5 * jnp.log(2 * jnp.pi)).sum(1)
    return logp, jnp.broadcast_to((log_std + 0.5 + 0.5 * jnp.log(2 * jnp.pi)).sum(), logp.shape)


def loss(parameters, head, rows):
    obs, action, logp_old, advantage, returns, values_old = rows
    actor, critic, log_std = parameters
    logp, entropy = logp_and_entropy(head, mlp(actor, obs), log_std, action)
    values = mlp(critic, obs)[:, 0]
    ratio = jnp.exp(logp - logp_old)
    policy = -jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - CLIP, 1 + CLIP) * advantage).mean()
    clipped = values_old + jnp.clip(values - values_old, -CLIP, CLIP)
    value = 0.5 * jnp.maximum((values - returns) ** 2, (clipped - returns) ** 2).mean()
    return policy - ENT_COEF * entropy.mean() + VF_COEF * value


def ppo_step(name):
    head = cases.NETS[name][2]

    def step(parameters, first, second, t, rows):
        gradient = jax.grad(loss)(parameters, head, rows)
        norm = jnp.sqrt(sum((g * g).sum() for g in jax.tree.leaves(gradient)))
        scale = jnp.minimum(1.0, MAX_NORM / (norm + 1e-6))
        first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * scale * g, first, gradient)
        second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * (scale * g) ** 2, second, gradient)
        t = t + 1
        rate, root = LR / (1 - BETA1**t), jnp.sqrt(1 - BETA2**t)
        move = lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + EPS)
        return jax.tree.map(move, parameters, first, second), first, second, t

    step = jax.jit(step, donate_argnums=(0, 1, 2, 3))
    parameters = jax.tree.map(jnp.array, cases.networks(name))
    zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)
    state = [(parameters, zeros(), zeros(), jnp.zeros((), jnp.float32))]
    rows = jax.tree.map(jnp.array, cases.minibatch(name))

    def call():
        state[0] = step(*state[0], rows)
        return state[0]

    return call


def fvp(name):
    """Jᵀ M J v / n: forward and tangent together, as jax.jvp does, then the transpose."""
    head = cases.NETS[name][2]
    actor, _, log_std = jax.tree.map(jnp.array, cases.networks(name))
    obs = jnp.array(cases.minibatch(name)[0])

    @jax.jit
    def product(parameters, tangent, obs):
        def dist(parameters):
            actor, log_std = parameters
            return mlp(actor, obs), log_std

        (raw, log_std), (d_raw, d_log_std) = jax.jvp(dist, (parameters,), (tangent,))
        if head == "categorical":
            p = jax.nn.softmax(raw)
            d_raw = p * (d_raw - (p * d_raw).sum(1, keepdims=True))
        else:
            d_raw = d_raw * jnp.exp(-2 * log_std)
        _, back = jax.vjp(dist, parameters)
        return back((d_raw / len(obs), 2 * d_log_std))[0]

    parameters = (actor, log_std)
    tangent = jax.tree.map(lambda p: jnp.array(cases.wave(*p.shape, phase=0.2)), parameters)
    return lambda: product(parameters, tangent, obs)


def gae(name):
    @jax.jit
    def estimate(rewards, values, final_values, terminated, truncated):
        following = jnp.where(terminated, 0.0, jnp.where(truncated, final_values, values[1:]))
        delta = rewards + GAMMA * following - values[:-1]
        go_on = jnp.where(terminated | truncated, 0.0, GAMMA * LAMBDA)

        def back(carry, step):
            carry = step[0] + step[1] * carry
            return carry, carry

        _, advantages = lax.scan(back, jnp.zeros_like(delta[0]), (delta, go_on), reverse=True)
        return advantages, advantages + values[:-1]

    arrays = [jnp.array(array) for array in cases.window(name)]
    return lambda: estimate(*arrays)


if __name__ == "__main__":
    where = jax.devices()[0].device_kind
    print(json.dumps({"peer": "jax", "version": jax.__version__, "device": where, "cores": os.cpu_count()}), flush=True)
    for kind, names in ((ppo_step, cases.NETS), (fvp, cases.NETS), (gae, cases.WINDOWS)):
        for name in names:
            row = f"{kind.__name__}/{name}"
            if cases.wanted(row):
                call, count = device.paced(kind(name), jax.block_until_ready)
                cases.report(row, call, seconds=device.SECONDS, share=count)
