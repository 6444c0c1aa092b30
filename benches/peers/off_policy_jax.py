"""JAX, jitted, on the CPU: the off-policy rows of benches/off_policy.rs. `python off_policy_jax.py [WORD…]` prints a line of JSON per row.

A call is two gradient steps in one jitted function, each on a batch that it draws from the buffer; what is printed is one step's share.
"""

import json
import os

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np

import cases
from cases import BETA1, BETA2, BUFFER, GAMMA, NOISE, NOISE_CLIP, Q_LR, TAU

ADAM_EPS = 1e-8


def relu_mlp(network, x):
    for weight, bias in network[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = network[-1]
    return x @ weight + bias


def adam(state, parameters, gradient):
    first, second, t = state
    t = t + 1
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, first, gradient)
    second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, second, gradient)
    rate, root = Q_LR / (1 - BETA1**t), jnp.sqrt(1 - BETA2**t)
    move = lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + ADAM_EPS)
    return (first, second, t), jax.tree.map(move, parameters, first, second)


def moments(parameters):
    zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)
    return zeros(), zeros(), jnp.zeros((), jnp.float32)


def follow(target, online):
    return jax.tree.map(lambda t, o: (1 - TAU) * t + TAU * o, target, online)


def draw(key, buffer, rows):
    index = jax.random.randint(key, (rows,), 0, BUFFER)
    return [array[index] for array in buffer]


def squashed(raw, noise):
    mean, log_std = jnp.split(raw, 2, 1)
    log_std = jnp.clip(log_std, -20, 2)
    u = mean + jnp.exp(log_std) * noise
    logp = -0.5 * noise**2 - log_std - 0.5 * jnp.log(2 * jnp.pi) - 2 * (jnp.log(2.0) - u - jax.nn.softplus(-2 * u))
    return jnp.tanh(u), logp.sum(1)


def q_of(critic, obs, action):
    return relu_mlp(critic, jnp.concatenate((obs, action), 1))[:, 0]


def both(critics, obs, action):
    return jnp.stack([q_of(critic, obs, action) for critic in critics])


def sac_step(name):
    obs_dim, hidden, actions, rows = cases.CRITICS[name]
    rng = np.random.default_rng(1)
    actor = cases.layers(obs_dim, hidden, 2 * actions, rng)
    critics = [cases.layers(obs_dim + actions, hidden, 1, rng) for _ in range(2)]

    def step(state, key, buffer):
        actor, critics, targets, log_alpha, of_actor, of_critics, of_alpha = state
        keys = jax.random.split(key, 3)
        obs, next_obs, action, reward, terminated = draw(keys[0], buffer, rows)
        noise, next_noise = (jax.random.normal(k, (rows, actions)) for k in keys[1:])
        alpha = jnp.exp(log_alpha)
        next_action, next_logp = squashed(relu_mlp(actor, next_obs), next_noise)
        y = reward + GAMMA * (1 - terminated) * (both(targets, next_obs, next_action).min(0) - alpha * next_logp)
        loss = lambda critics: 0.5 * ((both(critics, obs, action) - y) ** 2).mean(1).sum()
        of_critics, critics = adam(of_critics, critics, jax.grad(loss)(critics))

        def actor_loss(actor):
            drawn, logp = squashed(relu_mlp(actor, obs), noise)
            return (alpha * logp - both(critics, obs, drawn).min(0)).mean(), logp

        gradient, logp = jax.grad(actor_loss, has_aux=True)(actor)
        of_actor, actor = adam(of_actor, actor, gradient)
        of_alpha, log_alpha = adam(of_alpha, log_alpha, -(logp - actions).mean())
        return actor, critics, follow(targets, critics), log_alpha, of_actor, of_critics, of_alpha

    log_alpha = jnp.zeros(())
    return step, (actor, critics, critics, log_alpha, moments(actor), moments(critics), moments(log_alpha))


def td3_step(name):
    obs_dim, hidden, actions, rows = cases.CRITICS[name]
    rng = np.random.default_rng(1)
    actor = cases.layers(obs_dim, hidden, actions, rng)
    critics = [cases.layers(obs_dim + actions, hidden, 1, rng) for _ in range(2)]

    def step(state, key, buffer, moves):
        actor, critics, actor_target, targets, of_actor, of_critics = state
        keys = jax.random.split(key, 2)
        obs, next_obs, action, reward, terminated = draw(keys[0], buffer, rows)
        noise = jnp.clip(NOISE * jax.random.normal(keys[1], (rows, actions)), -NOISE_CLIP, NOISE_CLIP)
        next_action = jnp.clip(jnp.tanh(relu_mlp(actor_target, next_obs)) + noise, -1, 1)
        y = reward + GAMMA * (1 - terminated) * both(targets, next_obs, next_action).min(0)
        loss = lambda critics: ((both(critics, obs, action) - y) ** 2).mean(1).sum()
        of_critics, critics = adam(of_critics, critics, jax.grad(loss)(critics))
        if moves:
            actor_loss = lambda actor: -q_of(critics[0], obs, jnp.tanh(relu_mlp(actor, obs))).mean()
            of_actor, actor = adam(of_actor, actor, jax.grad(actor_loss)(actor))
            actor_target, targets = follow(actor_target, actor), follow(targets, critics)
        return actor, critics, actor_target, targets, of_actor, of_critics

    return step, (actor, critics, actor, critics, moments(actor), moments(critics))


def dqn_step(name):
    obs_dim, hidden, choices, rows = cases.CRITICS[name]
    network = cases.layers(obs_dim, hidden, choices, np.random.default_rng(1))

    def step(state, key, buffer):
        network, target, of_network = state
        obs, next_obs, action, reward, terminated = draw(key, buffer, rows)
        y = reward + GAMMA * (1 - terminated) * relu_mlp(target, next_obs).max(1)

        def loss(network):
            d = jnp.take_along_axis(relu_mlp(network, obs), action[:, None], 1)[:, 0] - y
            return jnp.where(jnp.abs(d) < 1, 0.5 * d * d, jnp.abs(d) - 0.5).mean()

        of_network, network = adam(of_network, network, jax.grad(loss)(network))
        return network, follow(target, network), of_network

    return step, (network, network, moments(network))


def two_steps(kind, name):
    step, state = kind(name)
    buffer = [jnp.asarray(array) for array in cases.transitions(name, kind is dqn_step)]

    def pair(state, key, *buffer):
        keys = jax.random.split(key, 3)
        for k, moves in zip(keys, (False, True)):
            state = step(state, k, buffer, moves) if kind is td3_step else step(state, k, buffer)
        return state, keys[2]

    pair = jax.jit(pair, donate_argnums=(0,))
    # Targets begin equal to what they follow, but as arrays of their own.
    held = [jax.tree.map(lambda x: jnp.array(x, copy=True), state), jax.random.PRNGKey(1)]

    def call():
        held[:] = jax.block_until_ready(pair(*held, *buffer))

    return call


if __name__ == "__main__":
    print(json.dumps({"peer": "jax", "version": jax.__version__, "cores": os.cpu_count()}))
    for kind in (sac_step, td3_step, dqn_step):
        for name in cases.CRITICS:
            row = f"{kind.__name__.removesuffix('_step')}_update/{name}"
            if cases.wanted(row):
                cases.report(row, two_steps(kind, name), share=2)
