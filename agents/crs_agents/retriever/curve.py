"""The curve of a training as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from crs_gym.curves import picture

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

    with picture(path, title, 1, (6, 3.6)) as (axes,):
        for number, own in enumerate(losses):
            width = max(len(own) // 40, 1)
            smooth = np.convolve(own, np.full(width, 1 / width), mode="valid")
            at, color = np.arange(len(smooth)) + width, _COLORS[number % len(_COLORS)]
            axes.plot(at, smooth, color=color, label=f"{number + 1}")
        axes.set_xlabel("updates")
        axes.set_ylabel("nats a target")
        axes.legend(title="network", frameon=False, fontsize=8)
