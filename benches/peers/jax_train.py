"""JAX, jitted, on the CPU: the rows of benches/train.rs. `python jax_train.py [WORD…]` prints a line of JSON per row.

One program on the device for whole iterations, as PureJaxRL has it: a scan over steps of all environments, GAE as a scan, scans over epochs and
minibatches, and a scan over iterations around it, so that nothing goes through Python inside. A figure is the time of one iteration. CartPole-v1,
its limit of 500 steps and its resets are in it. A truncated episode counts as terminated, which spares JAX the value of the last observation that
wgpo computes there; nor does it take an update's statistics.

`--learn` prints the mean length of the episodes that ended, a line an iteration: that what is timed also learns.
"""

import json
import os
import sys

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import cases
from cases import BETA1, BETA2, CLIP, EPS, GAMMA, LAMBDA, MAX_NORM, TRAINS, VF_COEF
from jax_bench import mlp

HIDDEN = (64, 64)
LIMIT = 500


def physics(state, action):
    """One step of CartPole-v1, and whether the state after it is terminal."""
    x, x_dot, theta, theta_dot = state.T
    force = jnp.where(action == 1, 10.0, -10.0)
    sin, cos = jnp.sin(theta), jnp.cos(theta)
    temp = (force + 0.05 * theta_dot**2 * sin) / 1.1
    theta_acc = (9.8 * sin - cos * temp) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
    x_acc = temp - 0.05 * theta_acc * cos / 1.1
    state = jnp.stack([x + 0.02 * x_dot, x_dot + 0.02 * x_acc, theta + 0.02 * theta_dot, theta_dot + 0.02 * theta_acc], 1)
    return state, (jnp.abs(state[:, 0]) > 2.4) | (jnp.abs(state[:, 2]) > 12 * 2 * np.pi / 360)


def rollout(parameters, carry, steps):
    """All random numbers of the window are drawn at once, which is quicker than step by step."""
    actor, critic = parameters
    state, length, key = carry
    key, draw, start = jax.random.split(key, 3)
    gumbel = jax.random.gumbel(draw, (steps, len(state), 2))
    starts = jax.random.uniform(start, (steps, len(state), 4), minval=-0.05, maxval=0.05)

    def step(carry, drawn):
        state, length = carry
        gumbel, start = drawn
        action = (mlp(actor, state) + gumbel).argmax(1)
        after, terminated = physics(state, action)
        done = terminated | (length + 1 >= LIMIT)
        row = (state, action, done, jnp.where(done, length + 1, 0))
        return (jnp.where(done[:, None], start, after), jnp.where(done, 0, length + 1)), row

    (state, length), (obs, action, done, ended) = lax.scan(step, (state, length), (gumbel, starts))
    logp = jnp.take_along_axis(jax.nn.log_softmax(mlp(actor, obs)), action[..., None], 2)[..., 0]
    values = mlp(critic, jnp.concatenate([obs, state[None]]))[..., 0]
    return (state, length, key), (obs, action, logp, values[:-1], done, ended), values[-1]


def estimate(values, last, done):
    """GAE of rewards of 1."""
    following = jnp.concatenate([values[1:], last[None]])
    go_on = jnp.where(done, 0.0, GAMMA)
    delta = 1.0 + go_on * following - values

    def back(carry, step):
        carry = step[0] + LAMBDA * step[1] * carry
        return carry, carry

    _, advantages = lax.scan(back, jnp.zeros_like(last), (delta, go_on), reverse=True)
    return advantages, advantages + values


def loss(parameters, batch, ent_coef, clipped_value):
    actor, critic = parameters
    obs, action, logp_old, advantage, returns, values_old = batch
    advantage = (advantage - advantage.mean()) / (advantage.std(ddof=1) + 1e-8)
    logp = jax.nn.log_softmax(mlp(actor, obs))
    entropy = -(jnp.exp(logp) * logp).sum(1).mean()
    ratio = jnp.exp(jnp.take_along_axis(logp, action[:, None], 1)[:, 0] - logp_old)
    policy = -jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - CLIP, 1 + CLIP) * advantage).mean()
    values = mlp(critic, obs)[:, 0]
    if clipped_value:
        near = values_old + jnp.clip(values - values_old, -CLIP, CLIP)
        value = 0.5 * jnp.maximum((values - returns) ** 2, (near - returns) ** 2).mean()
    else:
        value = ((values - returns) ** 2).mean()
    return policy - ent_coef * entropy + VF_COEF * value


def iterations(name):
    """A jitted function of the state that does as many iterations as the row's call has, and the state at the start."""
    envs, steps, epochs, minibatches, rate, ent_coef, clipped_value, count = TRAINS[name]
    rows = envs * steps

    def minibatch(state, batch):
        parameters, first, second, t = state
        gradient = jax.grad(loss)(parameters, batch, ent_coef, clipped_value)
        norm = jnp.sqrt(sum((g * g).sum() for g in jax.tree.leaves(gradient)))
        scale = jnp.minimum(1.0, MAX_NORM / (norm + 1e-6))
        first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * scale * g, first, gradient)
        second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * (scale * g) ** 2, second, gradient)
        t = t + 1
        by, root = rate / (1 - BETA1**t), jnp.sqrt(1 - BETA2**t)
        move = lambda p, m, v: p - by * m / (jnp.sqrt(v) / root + EPS)
        return (jax.tree.map(move, parameters, first, second), first, second, t), None

    def iteration(carry, _):
        learner, (state, length, key) = carry
        env, (obs, action, logp, values, done, ended), last = rollout(learner[0], (state, length, key), steps)
        advantages, returns = estimate(values, last, done)
        key, shuffle = jax.random.split(env[2])
        flat = lambda x: x.reshape(rows, *x.shape[2:])
        batch = tuple(map(flat, (obs, action, logp, advantages, returns, values)))

        def epoch(learner, key):
            order = jnp.argsort(jax.random.uniform(key, (rows,)))
            shuffled = tuple(x[order].reshape(minibatches, rows // minibatches, *x.shape[1:]) for x in batch)
            return lax.scan(minibatch, learner, shuffled)

        learner, _ = lax.scan(epoch, learner, jax.random.split(shuffle, epochs))
        count = jnp.maximum((ended > 0).sum(), 1)
        return (learner, (env[0], env[1], key)), ended.sum() / count

    rng = np.random.default_rng(1)
    parameters = jax.tree.map(jnp.array, (cases.layers(4, HIDDEN, 2, rng), cases.layers(4, HIDDEN, 1, rng)))
    parameters[1][-1] = (parameters[1][-1][0] * 100, parameters[1][-1][1])
    zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)
    key, start = jax.random.split(jax.random.key(1))
    first = jax.random.uniform(start, (envs, 4), minval=-0.05, maxval=0.05)
    state = ((parameters, zeros(), zeros(), jnp.zeros((), jnp.float32)), (first, jnp.zeros(envs, jnp.int32), key))
    return jax.jit(lambda carry: lax.scan(iteration, carry, None, count), donate_argnums=0), state


def train(name):
    program, state = iterations(name)
    state = [state]

    def call():
        state[0], lengths = program(state[0])
        return np.asarray(jax.block_until_ready(lengths))

    return call


if __name__ == "__main__":
    learn = "--learn" in sys.argv
    if learn:
        sys.argv.remove("--learn")
    print(json.dumps({"peer": "jax", "version": jax.__version__, "cores": os.cpu_count()}))
    for name, (*_, share) in TRAINS.items():
        if cases.wanted(f"train/{name}"):
            call = train(name)
            if learn:
                for _ in range(60 // share):
                    print(name, *call().round(1), sep="\n")
            else:
                cases.report(f"train/{name}", call, seconds=3, share=share)
