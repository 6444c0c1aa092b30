#!/usr/bin/env bash
# `max_grad_norm` of all of rejax's algorithms bounds no norm: each number of the gradient is clipped to [-max_grad_norm, max_grad_norm] by itself.
# A gradient whose numbers are all below passes whatever its norm, which grows with the size of the network, and one that is clipped gets another
# direction. With a usual value such as 0.5 hardly anything is ever clipped, while the same setting of other libraries bounds the norm.
# Seen with rejax 0.1.3, optax 0.2.8 and JAX 0.10.2, max_grad_norm 0.5:
#   a gradient of 0.4 in each parameter, norm 27.2 (DQN): norm 27.2 after clipping; optax.clip_by_global_norm(0.5) gives 0.5
#   SAC 38.1, TD3 38.1, PPO 27.2, PQN 27.9 and IQN 45.5: unchanged, too
#   a gradient of 3 in one parameter and 0.5 in another: 0.5 and 0.5 after clipping; by the norm it is 0.493 and 0.0822
# Exit code 0 as long as it is so. Needs python3 with venv, and PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
# rejax 0.1.3 cannot step environments of gymnax 1.0.
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    rejax==0.1.3 gymnax==0.0.9 jax==0.10.2 jaxlib==0.10.2 optax==0.2.8 flax==0.12.8 numpy==2.4.6
JAX_PLATFORMS=cpu "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version
import jax
import jax.numpy as jnp
import optax
import rejax

print("rejax", version("rejax"), "optax", optax.__version__, "jax", jax.__version__)
LIMIT = 0.5


def clipped(state, gradient):
    """What Adam gets: its first moment after one step, over 1 - 0.9."""
    _, (_, (adam, _)) = state.tx.update(gradient, state.opt_state, state.params)
    return jax.tree.map(lambda moment: moment / (1 - 0.9), adam.mu)


right = True
for name, task, network in [
    ("DQN", "CartPole-v1", "q_ts"), ("SAC", "Pendulum-v1", "critic_ts"), ("TD3", "Pendulum-v1", "critic_ts"),
    ("PPO", "CartPole-v1", "actor_ts"), ("PQN", "CartPole-v1", "q_ts"), ("IQN", "CartPole-v1", "q_ts"),
]:
    algorithm = getattr(rejax, name).create(env=task, max_grad_norm=LIMIT)
    state = getattr(algorithm.init_state(jax.random.key(0)), network)
    gradient = jax.tree.map(lambda p: jnp.full_like(p, 0.4), state.params)
    before, after = (float(optax.global_norm(g)) for g in [gradient, clipped(state, gradient)])
    by_norm = float(optax.global_norm(optax.clip_by_global_norm(LIMIT).update(gradient, optax.EmptyState())[0]))
    print(f"{name}: max_grad_norm {LIMIT}, norm {before:.1f}, {after:.1f} after clipping, {by_norm:.1f} by optax.clip_by_global_norm")
    right = right and before > 20 and abs(after - before) < 1e-3 * before and abs(by_norm - LIMIT) < 1e-3

leaves, shape = jax.tree.flatten(jax.tree.map(jnp.zeros_like, state.params))
leaves[0] = leaves[0].ravel().at[:2].set(jnp.array([3.0, 0.5])).reshape(leaves[0].shape)
two = jax.tree.unflatten(shape, leaves)
got = jax.tree.leaves(clipped(state, two))[0].ravel()[:2].tolist()
by_norm = jax.tree.leaves(optax.clip_by_global_norm(LIMIT).update(two, optax.EmptyState())[0])[0].ravel()[:2].tolist()
print("3 and 0.5:", *(f"{x:.3g}" for x in got), "after clipping;", *(f"{x:.3g}" for x in by_norm), "by the norm")
right = right and max(abs(x - 0.5) for x in got) < 1e-5 and abs(by_norm[0] - 0.4932) < 1e-3
sys.exit(0 if right else "the behaviour has changed")
PYTHON
