"""The plots of a report: dots with their intervals, and bars side by side, as SVG that the style sheet colours."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from crs_gym.fidelity.findings import Distribution, Estimate, Section, Unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH: Final = 460.0
"""Width of a plot in its own units, near to what it has on the page."""
FONT: Final = 11.0
_ROW: Final = 22.0
_LETTER: Final = 5.9

# Drawn as stand-ins, which become the style sheet's variables: one plot serves light and dark mode.
_TONES: Final = {
    "ink": "#fe0001",
    "muted": "#fe0101",
    "line": "#fe0201",
    "simulator": "#fe0301",
    "people": "#fe0401",
    "reference": "#fe0501",
}
_NAMES: Final = {colour: name for name, colour in _TONES.items()}
_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "crs-gym",
    "text.parse_math": False,
    "font.size": FONT,
    "font.family": ["DejaVu Sans"],
}


@dataclass(frozen=True)
class Plot:
    """One plot: SVG, with what to read in it."""

    title: str
    caption: str
    svg: str


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
    with _canvas(len(dots) * _ROW + 34) as figure:
        axes = _axes(figure, left=_LETTER * max(len(dot.label) for dot in dots) + 16, right=46, bottom=28)
        axes.set_ylim(len(dots) - 0.5, -0.5)
        axes.set_yticks([])
        axes.grid(axis="x", color=_TONES["line"], linewidth=0.8)
        if mark is not None:
            axes.axvline(mark * factor, color=_TONES["muted"], linewidth=1, linestyle=(0, (1, 2)))
        for i, dot in enumerate(dots):
            colour = _TONES[dot.tone]
            value, low, high = dot.estimate.value, dot.estimate.low, dot.estimate.high
            if low is not None and high is not None:
                axes.plot([low * factor, high * factor], [i, i], color=colour, linewidth=2.4, alpha=0.55, clip_on=False)
            if value is not None:
                axes.plot(value * factor, i, "o", color=colour, markersize=6.5, clip_on=False)
                _beside(axes, i, 1, 42, f"{value * factor:.{1 if unit == 'share' else 2}f}")
            _beside(axes, i, 0, -9, dot.label, muted=dot.tone == "reference")
        if unit == "share":
            axes.set_xlim(0, max(5.0, axes.get_xlim()[1]))
            axes.set_xlabel("%", color=_TONES["muted"], fontsize=FONT - 1)
        return _render(figure, name, description)


def bars(shares: Distribution, name: str) -> str:
    """One row a label: a bar for each side, one below the other, and what the colours mean above."""
    sides = list(shares.sides)
    tones = ["people" if side == "people" else "simulator" for side in sides]
    if tones.count("simulator") > 1:
        tones[-1] = "reference"
    with _canvas(len(shares.labels) * _ROW + 58) as figure:
        axes = _axes(figure, left=_LETTER * max(map(len, shares.labels)) + 16, right=14, bottom=28, top=24)
        axes.set_ylim(len(shares.labels) - 0.5, -0.5)
        axes.set_yticks([])
        axes.grid(axis="x", color=_TONES["line"], linewidth=0.8)
        height = 0.72 / len(sides)
        for number, (side, tone) in enumerate(zip(sides, tones, strict=True)):
            places = [i - 0.36 + height * (number + 0.5) for i in range(len(shares.labels))]
            axes.barh(places, [100 * share for share in shares.sides[side]], height * 0.9, color=_TONES[tone])
            left = sum(len(other) * _LETTER + 34 for other in sides[:number])
            axes.annotate("■", (0, 1), (left, 8), "axes fraction", "offset points", color=_TONES[tone])
            axes.annotate(side, (0, 1), (left + 14, 8), "axes fraction", "offset points", color=_TONES["ink"])
        for i, label in enumerate(shares.labels):
            _beside(axes, i, 0, -9, label)
        axes.set_xlim(0, None)
        axes.set_xlabel("%", color=_TONES["muted"], fontsize=FONT - 1)
        return _render(figure, name, shares.title)


@contextmanager
def _canvas(height: float) -> Iterator[Figure]:
    from matplotlib import rc_context, rcdefaults, rcParams
    from matplotlib.figure import Figure

    with rc_context():
        rcdefaults()  # no matplotlibrc of the reader's: the same bytes everywhere
        rcParams.update(_STYLE)
        yield Figure(figsize=(WIDTH / 72, height / 72), facecolor="none")


def _axes(figure: Figure, *, left: float, right: float, bottom: float, top: float = 6.0) -> Any:
    width, height = figure.get_size_inches() * 72
    axes: Any = figure.add_axes(
        (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height),
        facecolor="none",
    )
    axes.spines[["left", "right", "top", "bottom"]].set_visible(False)
    axes.tick_params(length=0, labelsize=FONT - 1, labelcolor=_TONES["muted"], pad=4)
    axes.set_axisbelow(True)
    return axes


def _beside(axes: Any, row: int, side: int, offset: float, text: str, *, muted: bool = False) -> None:
    axes.annotate(
        text,
        (side, row),
        xycoords=("axes fraction", "data"),
        xytext=(offset, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        color=_TONES["muted" if muted else "ink"],
    )


def _render(figure: Figure, name: str, description: str) -> str:
    """The figure as an SVG element of a page, with the page's colours and font."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    for pattern in (r"<metadata>.*?</metadata>", r"<style.*?</style>", r"<!--.*?-->"):
        text = re.sub(pattern, "", text, flags=re.S)
    text = text.replace("xlink:href=", "href=")
    head, rest = text.split(">", 1)
    box = re.search(r'viewBox="([^"]*)"', head)
    if box is None:
        raise ValueError("an SVG without a viewBox: is it matplotlib's?")
    rest = re.sub(r' id="([^"]*)"', rf' id="{name}-\1"', rest)
    rest = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", rest)
    rest = re.sub(r"#fe[0-9a-f]{2}01\b", lambda match: f"var(--{_NAMES[match[0]]})", rest)
    rest = re.sub(r"\bfont-family: [^;\"]*;? ?", "", rest)
    rest = re.sub(r"\bfont: ([^;\"]*?[\d.]+px) [^;\"]*", r"font: \1 var(--font)", rest)
    rest = re.sub(r">\s+<", "><", rest)
    return f'<svg viewBox="{box[1]}" role="img" aria-label="{escape(description, quote=True)}">{rest}'
