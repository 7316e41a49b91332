"""Plots as inline SVG: drawn by matplotlib, coloured by the page's style sheet, the same bytes for the same figures.

Colours are drawn as stand-ins and become CSS variables, so one plot serves light and dark mode; texts stay texts in
the page's own font.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FONT: Final = 11.0
"""Size of a plot's texts in its own units."""
HUES: Final = 8
"""How many colours `base.css` has for things of one kind (`--hue-0` …), told apart by the colour-blind, too."""
_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "crs-gym",
    "text.parse_math": False,  # a name may hold dollar signs
    "font.size": FONT,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib; measures texts here, and is replaced on the page
    "hatch.linewidth": 1.0,
    "axes.unicode_minus": True,
}


@dataclass(frozen=True)
class Plot:
    """One plot: SVG, with what to read in it."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Sheet:
    """What the plots of a page are drawn on.

    Attributes:
        width: Of a plot in its own units, near to what it has on the page, so that `FONT` units are as many pixels.
        tones: Colours that plots are drawn in: names of variables of the page's style sheet.
    """

    width: float
    tones: tuple[str, ...]

    @cached_property
    def _stand_ins(self) -> dict[str, str]:
        return {name: f"#fe{number:02x}01" for number, name in enumerate(self.tones)}

    @cached_property
    def _names(self) -> dict[str, str]:
        return {stand_in: name for name, stand_in in self._stand_ins.items()}

    def tone(self, name: str) -> str:
        """The stand-in for a colour of the style sheet.

        Raises:
            KeyError: There is no such colour.
        """
        return self._stand_ins[name]

    @contextmanager
    def canvas(self, height: float) -> Iterator[Figure]:
        """An empty figure of the sheet's width and `height` units, under the page's style."""
        from matplotlib import rc_context, rcdefaults, rcParams
        from matplotlib.figure import Figure

        with rc_context(), warnings.catch_warnings():
            rcdefaults()  # no matplotlibrc of the reader's: the same bytes everywhere
            rcParams.update(_STYLE)
            warnings.filterwarnings("ignore", message="Glyph .* missing")  # the page's own font will have it
            yield Figure(figsize=(self.width / 72, height / 72), facecolor="none")

    def place(self, figure: Figure, left: float, right: float, top: float, bottom: float) -> Any:
        """Axes without a frame, with margins in units."""
        width, height = figure.get_size_inches() * 72
        axes: Any = figure.add_axes(
            (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height),
            facecolor="none",
        )
        axes.spines[["left", "right", "top", "bottom"]].set_visible(False)
        axes.tick_params(length=0, labelsize=FONT - 1, labelcolor=self.tone("muted"), pad=4)
        axes.set_axisbelow(True)
        return axes

    def render(self, figure: Figure, name: str, description: str) -> str:
        """The figure as an SVG element.

        Args:
            figure: From `canvas`, within whose context this is called.
            name: Unique on the page; what the plot's inner references begin with.
            description: What the plot shows, for those who do not see it.
        """
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        return self.clean(buffer.getvalue(), name, description)

    def clean(self, text: str, name: str, description: str) -> str:
        """An SVG document of matplotlib as an element of a page.

        Raises:
            ValueError: It is none of matplotlib's.
        """
        text = text[text.index("<svg") :].strip()
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
        text = re.sub(r"<style.*?</style>", "", text, count=1, flags=re.S)
        text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
        text = text.replace("xlink:href=", "href=")
        head, rest = text.split(">", 1)
        box = re.search(r'viewBox="([^"]*)"', head)
        if box is None:
            raise ValueError("an SVG without a viewBox: is it matplotlib's?")
        used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', rest))
        rest = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", rest)
        rest = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", rest)
        rest = re.sub(r"#fe[0-9a-f]{2}01\b", lambda m: f"var(--{self._names[m[0]]})", rest)
        rest = re.sub(r"\bfont-family: [^;\"]*;? ?", "", rest)  # the page's own, inherited
        rest = re.sub(r"\bfont: ([^;\"]*?[\d.]+px) [^;\"]*", r"font: \1 var(--font)", rest)  # older matplotlib's way
        rest = re.sub(r' transform="rotate\(-?0[ )][^"]*"', "", rest)
        rest = _tag_by_tag(rest)
        rest = re.sub(r">\s+<", "><", rest)
        described = escape(description, quote=True)
        return f'<svg viewBox="{box[1]}" role="img" aria-label="{described}">{rest}'


def _tag_by_tag(text: str) -> str:
    """Numbers within tags with two decimals; texts stay as they are."""
    return re.sub(
        r"<[^>]*>",
        lambda tag: re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), tag[0]),
        text,
    )
