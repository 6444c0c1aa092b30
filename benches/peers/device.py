"""The device that a peer computes on: PEER_DEVICE is `cpu` (the default), `cuda` (NVIDIA, and AMD in PyTorch's words) or `rocm` (AMD in JAX's words).

PEER_SECONDS is how long a row is measured. JAX multiplies in f32 here, as wgpo does: left alone it takes TF32 on a GPU that has it.
"""

import os
import sys
import time

NAME = os.environ.get("PEER_DEVICE", "cpu")
SECONDS = float(os.environ.get("PEER_SECONDS", 1.5))
BATCH, MOST = 0.02, 1024

os.environ["JAX_PLATFORMS"] = NAME
os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "highest")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
if "jax" in sys.modules:  # it has read what was set before
    sys.modules["jax"].config.update("jax_platforms", NAME)
    sys.modules["jax"].config.update("jax_default_matmul_precision", os.environ["JAX_DEFAULT_MATMUL_PRECISION"])


def flag(name):
    """Whether the command line has the flag, which is taken from it."""
    given = name in sys.argv
    if given:
        sys.argv.remove(name)
    return given


def paced(call, wait):
    """A function that calls once on the CPU, and elsewhere as often as takes a GPU 20 ms, and then waits for the last result; and how often that is.

    A GPU's work is queued: waiting for each call alone would measure the way to the GPU and back."""

    def batch(count):
        for _ in range(count):
            result = call()
        wait(result)

    count = 1
    if NAME != "cpu":
        for _ in range(3):
            batch(1)
        while count < MOST:
            began = time.perf_counter()
            batch(count)
            if time.perf_counter() - began > BATCH:
                break
            count *= 2
    return lambda: batch(count), count
