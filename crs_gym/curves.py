"""The frame of a learning curve's picture, and the one of train and valid curves side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Entry = Mapping[str, float]
"""What was logged at an update: figures by name, and `step`."""

TRAIN: Final = "#8a8f98"
VALID: Final = "#1f5fbf"


@contextmanager
def picture(path: Path, title: str, panels: int, size: tuple[float, float]) -> Iterator[list[Axes]]:
    """Empty panels to draw on; the picture is written when the context ends.

    Args:
        path: The PNG.
        title: What stands above.
        panels: How many stand side by side.
        size: Of the picture, in inches.

    Raises:
        OSError: The file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # no global state, and no display is asked for
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, fontsize=10)
    drawn = list(figure.subplots(1, panels, squeeze=False)[0])
    yield drawn
    for axes in drawn:
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    FigureCanvasAgg(figure)
    figure.savefig(path, format="png", dpi=110)


def points(history: Sequence[Entry], name: str) -> tuple[list[float], list[float]]:
    """The updates at which `name` was logged, and its values there; of a step that was logged twice the latest."""
    found = {entry["step"]: entry[name] for entry in history if entry.get(name) is not None}
    return sorted(found), [found[step] for step in sorted(found)]


def draw_train_and_valid(
    history: Sequence[Entry],
    panels: Sequence[tuple[str, str, str]],
    path: Path,
    title: str,
    *,
    size: tuple[float, float],
    chance: Mapping[str, float] | None = None,
) -> None:
    """Draw train and valid curves over the updates.

    Args:
        history: What was logged, by transformers' names: a figure `loss` of train is `eval_loss` of valid.
        panels: For each its heading, its figure and that figure's unit.
        path: The PNG.
        title: What stands above.
        size: Of the picture, in inches.
        chance: Figures that have a level of chance, with that level.

    Raises:
        OSError: The file cannot be written.
    """
    with picture(path, title, len(panels), size) as all_axes:
        for axes, (heading, name, unit) in zip(all_axes, panels, strict=True):
            for label, key, color in (("train", name, TRAIN), ("valid", f"eval_{name}", VALID)):
                steps, values = points(history, key)
                if steps:
                    marker = "o" if len(steps) < 30 else ""
                    axes.plot(steps, values, color=color, marker=marker, markersize=3, label=label)
            if chance and name in chance:
                axes.axhline(chance[name], color=TRAIN, linewidth=0.8, linestyle=":", label="chance")
            axes.set_title(heading, fontsize=10)
            axes.set_xlabel("updates")
            axes.set_ylabel(unit)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(frameon=False, fontsize=8)
