"""The curves of a training as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

from crs_gym.curves import Entry, picture, points

_PANELS: Final = (
    ("Return", ("reward",)),
    ("Success, accepted, well-formed", ("success", "accepted", "well_formed")),
    ("KL to the first model, entropy (nats)", ("kl", "entropy")),
    ("Written tokens a turn", ("length/turn",)),
)
_COLORS: Final = ("#1f5fbf", "#c2571a", "#3d8b4f")

_MEMORY: Final = 0.8
"""How much of the smoothed curve's last value stays in its next (our choice: about five updates are seen together)."""


def draw_curves(history: Sequence[Entry], path: Path, title: str) -> None:
    """Draw what was watched over the updates: each update's figure faint, and a running mean of them.

    Args:
        history: What was logged.
        path: The PNG.
        title: What stands above.

    Raises:
        OSError: The file cannot be written.
    """
    with picture(path, title, len(_PANELS), (14, 3.4)) as all_axes:
        for axes, (heading, names) in zip(all_axes, _PANELS, strict=True):
            for name, color in zip(names, _COLORS, strict=False):
                steps, values = points(history, name)
                if steps:
                    axes.plot(steps, values, color=color, alpha=0.3, linewidth=0.8)
                    axes.plot(steps, smoothed(values), color=color, label=name)
            axes.set_title(heading, fontsize=10)
            axes.set_xlabel("updates")
            if len(axes.get_legend_handles_labels()[0]) > 1:
                axes.legend(frameon=False, fontsize=8)


def smoothed(values: Sequence[float]) -> list[float]:
    """The running mean of values, in which older ones fade."""
    return list(accumulate(values, lambda before, value: _MEMORY * before + (1.0 - _MEMORY) * value))
