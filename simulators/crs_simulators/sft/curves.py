"""The curves of a training as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

Entry = Mapping[str, float]
"""What was logged at a step: figures by name, and `step`."""

_PANELS: Final = (
    ("Words", "words_nll", "nats a token"),
    ("Answers (views and decisions)", "answers_nll", "nats an answer"),
    ("Views: liked above not liked", "view_auc", "AUC"),
)
_TRAIN: Final = "#8a8f98"
_VALID: Final = "#1f5fbf"


def points(history: Sequence[Entry], name: str) -> tuple[list[float], list[float]]:
    """The updates at which `name` was logged, and its values there; of a step that was logged twice the latest."""
    found = {entry["step"]: entry[name] for entry in history if name in entry}
    return sorted(found), [found[step] for step in sorted(found)]


def draw_curves(history: Sequence[Entry], path: Path, title: str) -> None:
    """Draw train and valid curves over the updates: words, answers, and the AUC of the views.

    Args:
        history: What was logged, by transformers' names: `words_nll` of train, `eval_words_nll` of valid, ….
        path: The PNG.
        title: What stands above.

    Raises:
        OSError: The file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # no global state, and no display is asked for
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    figure.suptitle(title, fontsize=10)
    for axes, (heading, name, unit) in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
        for label, key, color in (("train", name, _TRAIN), ("valid", f"eval_{name}", _VALID)):
            steps, values = points(history, key)
            if steps:
                axes.plot(steps, values, color=color, marker="o" if len(steps) < 30 else "", markersize=3, label=label)
        if name == "view_auc":
            axes.axhline(0.5, color=_TRAIN, linewidth=0.8, linestyle=":", label="chance")
        axes.set_title(heading, fontsize=10)
        axes.set_xlabel("updates")
        axes.set_ylabel(unit)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=8)
    FigureCanvasAgg(figure)
    figure.savefig(path, format="png", dpi=110)
