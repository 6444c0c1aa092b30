"""Learning curves by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._base import Algorithm


def plot(model: Algorithm, path: str | Path | None, ax: Any) -> Any:
    """See :meth:`wgpo.Algorithm.plot`."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError("plot needs matplotlib: pip install 'wgpo[plot]'") from None
    if not model.history:
        raise ValueError("there is nothing to plot yet: call learn first")
    if ax is None:
        ax = plt.subplots(figsize=(7, 4), layout="constrained")[1]
    ax.plot(
        [row["num_timesteps"] for row in model.history],
        [row["ep_rew_mean"] for row in model.history],
        label=type(model).__name__,
    )
    ax.set_xlabel("environment steps")
    ax.set_ylabel("mean return of the last 100 episodes")
    ax.grid(alpha=0.3)
    if path is not None:
        ax.figure.savefig(str(path))
    return ax
