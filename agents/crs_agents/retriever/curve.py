"""The curve of a training as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

_COLORS: Final = ("#1f5fbf", "#8a8f98", "#d08a2e", "#3d8f5f", "#9a5fb0")


def draw_losses(losses: Sequence[Sequence[float]], path: Path, title: str) -> None:
    """Draw the loss of each network over its updates, smoothed over a fortieth of them.

    Args:
        losses: One sequence a network, in nats a target.
        path: The PNG.
        title: What stands above.

    Raises:
        OSError: The file cannot be written.
    """
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # no global state, and no display is asked for
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots()
    for number, own in enumerate(losses):
        width = max(len(own) // 40, 1)
        smooth = np.convolve(own, np.full(width, 1 / width), mode="valid")
        axes.plot(np.arange(len(smooth)) + width, smooth, color=_COLORS[number % len(_COLORS)], label=f"{number + 1}")
    axes.set_xlabel("updates")
    axes.set_ylabel("nats a target")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(title="network", frameon=False, fontsize=8)
    FigureCanvasAgg(figure)
    figure.savefig(path, format="png", dpi=110)
