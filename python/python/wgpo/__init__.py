"""Policy-optimisation reinforcement learning on any GPU by WGSL kernels, with a CPU reference that says what is right."""

from ._native import *  # noqa: F403
from ._native import __version__ as __version__
