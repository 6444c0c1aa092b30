"""JAX: the update of benches/memory.rs, for memory.py. All epochs and minibatches are one jitted program with donated state. `idle` makes rows and
parameters only."""

import json
import os
import sys

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
from jax import lax

import cases
from cases import BETA1, BETA2, EPS, LR, MAX_NORM, EPOCHS, MINIBATCHES
from jax_bench import loss


def minibatch(state, rows):
    parameters, first, second, t = state
    obs, action, logp_old, advantage, returns, values_old = rows
    advantage = (advantage - advantage.mean()) / (advantage.std(ddof=1) + 1e-8)
    gradient = jax.grad(loss)(parameters, "gaussian", (obs, action, logp_old, advantage, returns, values_old))
    norm = jnp.sqrt(sum((g * g).sum() for g in jax.tree.leaves(gradient)))
    scale = jnp.minimum(1.0, MAX_NORM / (norm + 1e-6))
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * scale * g, first, gradient)
    second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * (scale * g) ** 2, second, gradient)
    t = t + 1
    rate, root = LR / (1 - BETA1**t), jnp.sqrt(1 - BETA2**t)
    move = lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + EPS)
    return (jax.tree.map(move, parameters, first, second), first, second, t), None


def update(state, rows, key):
    count = len(rows[0])

    def epoch(state, key):
        # The rows of a minibatch are gathered when it is its turn.
        order = jnp.argsort(jax.random.uniform(key, (count,))).reshape(MINIBATCHES, -1)
        return lax.scan(lambda state, own: minibatch(state, tuple(x[own] for x in rows)), state, order)

    return lax.scan(epoch, state, jax.random.split(key, EPOCHS))[0]


parameters = jax.tree.map(jnp.array, cases.networks("humanoid"))
zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)
state = (parameters, zeros(), zeros(), jnp.zeros((), jnp.float32))
rows = tuple(map(jnp.array, cases.minibatch("humanoid")))
if "idle" not in sys.argv:
    state = jax.block_until_ready(jax.jit(update, donate_argnums=0)(state, rows, jax.random.key(1)))
print(json.dumps({"peer": "JAX", "version": jax.__version__, "steps": int(state[3]), "peak": cases.peak()}))
