"""What the report's plots are drawn on: the colours of agents, reward terms and outcomes on the sheet of all pages."""

from __future__ import annotations

from typing import Final

from crs_gym.pages.svg import FONT, HUES, Sheet

__all__ = ["FONT", "TERMS", "WIDTH", "canvas", "clean", "place", "render", "tone"]

WIDTH: Final = 420.0
"""Of a plot in its own units; see `Sheet`."""
TERMS: Final = 6
"""How many colours reward terms have (`--term-0` …)."""
_OUTCOMES: Final = ("accepted", "left", "truncated", "errored")
_SHEET: Final = Sheet(
    WIDTH,
    (
        *("ink", "muted", "line", "card", "ceiling", "adversary"),
        *_OUTCOMES,
        *(f"on-{outcome}" for outcome in _OUTCOMES),
        *(f"hue-{i}" for i in range(HUES)),
        *(f"term-{i}" for i in range(TERMS)),
    ),
)
tone, canvas, place = _SHEET.tone, _SHEET.canvas, _SHEET.place
render, clean = _SHEET.render, _SHEET.clean
