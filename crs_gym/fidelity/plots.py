"""The plots of a report: dots with their intervals, and bars side by side, as SVG that the style sheet colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from crs_gym.fidelity.findings import Distribution, Estimate, Section, Unit
from crs_gym.pages.svg import FONT, Plot, Sheet

WIDTH: Final = 460.0
"""Of a plot in its own units; see `Sheet`."""
_ROW: Final = 22.0
_LETTER: Final = 5.9

_SHEET: Final = Sheet(WIDTH, ("ink", "muted", "line", "simulator", "people", "reference"))


@dataclass(frozen=True)
class Dot:
    """A figure with its interval, in a row of its own."""

    label: str
    estimate: Estimate
    tone: str


def plots_of(section: Section) -> list[Plot]:
    """The plots of a section."""
    plots = [
        Plot(shares.title, shares.caption, bars(shares, f"{section.key}-bars-{number}"))
        for number, shares in enumerate(section.distributions)
        if shares.sides
    ]
    dots = _DOTS.get(section.key)
    if dots is not None:
        title, caption, unit, keys, names, mark = dots
        rows = [row for row in section.rows if row.key in keys]
        shown = [
            dot
            for row in rows
            for dot in (
                *([Dot(row.name, row.simulator, "simulator")] if row.simulator else []),
                *([Dot("people", row.people, "people")] if row.people else []),
                *(
                    Dot(name, found, "reference")
                    for name, found in row.references.items()
                    if names is None or name in names
                ),
            )
            if dot.estimate.value is not None
        ]
        if shown:
            plots.insert(0, Plot(title, caption, whiskers(shown, unit, mark, f"{section.key}-dots", title)))
    return plots


_DOTS: Final[dict[str, tuple[str, str, Unit, tuple[str, ...], tuple[str, ...] | None, float | None]]] = {
    "taste": (
        "Films that the person liked, told from others",
        "AUC with 95% intervals; the dotted line is chance. Gray: other judges of the same films.",
        "number",
        ("auc_liked_matched", "auc_liked_disliked", "auc_disliked_matched"),
        None,
        0.5,
    ),
    "cooperation": (
        "Films shown alone that are accepted",
        "With 95% intervals. People were asked about the films that were suggested to them only.",
        "share",
        ("suggested", "liked", "disliked", "matched", "random"),
        (),
        None,
    ),
    "leaks": (
        "Dialogues in which a target is brought up",
        "With 95% intervals. Gray: films in place of the targets that are as popular, or as likely from the dialogue.",
        "share",
        ("all_rate", "prober_rate"),
        None,
        None,
    ),
}
"""From a section to the title, caption and unit of its plot of dots, its rows, its references (`None`: all), and where
a line is drawn."""


def whiskers(dots: Sequence[Dot], unit: Unit, mark: float | None, name: str, description: str) -> str:
    """One row a figure: a dot with its 95% interval, and the figure at the right."""
    factor = 100.0 if unit == "share" else 1.0
    with _SHEET.canvas(len(dots) * _ROW + 34) as figure:
        axes = _SHEET.place(figure, _LETTER * max(len(dot.label) for dot in dots) + 16, right=46, top=6, bottom=28)
        axes.set_ylim(len(dots) - 0.5, -0.5)
        axes.set_yticks([])
        axes.grid(axis="x", color=_SHEET.tone("line"), linewidth=0.8)
        if mark is not None:
            axes.axvline(mark * factor, color=_SHEET.tone("muted"), linewidth=1, linestyle=(0, (1, 2)))
        for i, dot in enumerate(dots):
            colour = _SHEET.tone(dot.tone)
            value, low, high = dot.estimate.value, dot.estimate.low, dot.estimate.high
            if low is not None and high is not None:
                axes.plot([low * factor, high * factor], [i, i], color=colour, linewidth=2.4, alpha=0.55, clip_on=False)
            if value is not None:
                axes.plot(value * factor, i, "o", color=colour, markersize=6.5, clip_on=False)
                _beside(axes, i, 1, 42, f"{value * factor:.{1 if unit == 'share' else 2}f}")
            _beside(axes, i, 0, -9, dot.label, muted=dot.tone == "reference")
        if unit == "share":
            axes.set_xlim(0, max(5.0, axes.get_xlim()[1]))
            axes.set_xlabel("%", color=_SHEET.tone("muted"), fontsize=FONT - 1)
        return _SHEET.render(figure, name, description)


def bars(shares: Distribution, name: str) -> str:
    """One row a label: a bar for each side, one below the other, and what the colours mean above."""
    sides = list(shares.sides)
    tones = ["people" if side == "people" else "simulator" for side in sides]
    if tones.count("simulator") > 1:
        tones[-1] = "reference"
    with _SHEET.canvas(len(shares.labels) * _ROW + 58) as figure:
        axes = _SHEET.place(figure, _LETTER * max(map(len, shares.labels)) + 16, right=14, top=24, bottom=28)
        axes.set_ylim(len(shares.labels) - 0.5, -0.5)
        axes.set_yticks([])
        axes.grid(axis="x", color=_SHEET.tone("line"), linewidth=0.8)
        height = 0.72 / len(sides)
        for number, (side, tone) in enumerate(zip(sides, tones, strict=True)):
            places = [i - 0.36 + height * (number + 0.5) for i in range(len(shares.labels))]
            axes.barh(places, [100 * share for share in shares.sides[side]], height * 0.9, color=_SHEET.tone(tone))
            left = sum(len(other) * _LETTER + 34 for other in sides[:number])
            axes.annotate("■", (0, 1), (left, 8), "axes fraction", "offset points", color=_SHEET.tone(tone))
            axes.annotate(side, (0, 1), (left + 14, 8), "axes fraction", "offset points", color=_SHEET.tone("ink"))
        for i, label in enumerate(shares.labels):
            _beside(axes, i, 0, -9, label)
        axes.set_xlim(0, None)
        axes.set_xlabel("%", color=_SHEET.tone("muted"), fontsize=FONT - 1)
        return _SHEET.render(figure, name, shares.title)


def _beside(axes: Any, row: int, side: int, offset: float, text: str, *, muted: bool = False) -> None:
    axes.annotate(
        text,
        (side, row),
        xycoords=("axes fraction", "data"),
        xytext=(offset, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        color=_SHEET.tone("muted" if muted else "ink"),
    )
