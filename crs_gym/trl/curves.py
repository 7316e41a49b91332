"""The curves of a training as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

Entry = Mapping[str, float]
"""What was logged at an update: figures by name, and `step`."""

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
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # no global state, and no display is asked for
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 3.4), layout="constrained")
    figure.suptitle(title, fontsize=10)
    for axes, (heading, names) in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
        for name, color in zip(names, _COLORS, strict=False):
            found = {entry["step"]: entry[name] for entry in history if entry.get(name) is not None}
            if found:
                steps = sorted(found)
                values = [found[step] for step in steps]
                axes.plot(steps, values, color=color, alpha=0.3, linewidth=0.8)
                axes.plot(steps, smoothed(values), color=color, label=name)
        axes.set_title(heading, fontsize=10)
        axes.set_xlabel("updates")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if len(axes.get_legend_handles_labels()[0]) > 1:
            axes.legend(frameon=False, fontsize=8)
    FigureCanvasAgg(figure)
    figure.savefig(path, format="png", dpi=110)


def smoothed(values: Sequence[float]) -> list[float]:
    """The running mean of values, in which older ones fade."""
    return list(accumulate(values, lambda before, value: _MEMORY * before + (1.0 - _MEMORY) * value))
