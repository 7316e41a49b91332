"""How figures are written, on the page and in the terminal."""

from __future__ import annotations

from typing import Final

from crs_gym.fidelity.findings import Estimate, Row, Unit

NONE: Final = "–"
"""Stands where a figure is not scored."""


def number(value: float, unit: Unit) -> str:
    """A share in % with one decimal, a number with two; what rounds to 0 has no sign."""
    text = f"{100 * value:.1f}" if unit == "share" else f"{value:.2f}"
    return text if text.strip("-0.") else text.lstrip("-")


def figure(estimate: Estimate | None, unit: Unit) -> str:
    """The figure itself."""
    if estimate is None or estimate.value is None:
        return NONE
    return number(estimate.value, unit) + ("%" if unit == "share" else "")


def interval(estimate: Estimate | None, unit: Unit) -> str:
    """`66.0–73.8`; `-0.10 to 0.06`, since a dash beside a minus sign cannot be read. Empty where there is none."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    low, high = number(estimate.low, unit), number(estimate.high, unit)
    return f"{low} to {high}" if "-" in low + high else f"{low}–{high}"


def size(row: Row) -> str:
    """Over how much the figure is: the simulator's, and people's where it differs."""
    both = [estimate for estimate in (row.simulator, row.people) if estimate is not None]
    counts = list(dict.fromkeys(f"{estimate.n:,}" for estimate in both))
    return f"{' / '.join(counts)} {both[0].of}" if both else ""


def state(row: Row) -> str:
    """`holds`, `does not hold`, `not scored`, or empty where nothing is asked."""
    if not row.wanted:
        return ""
    return {True: "holds", False: "does not hold", None: "not scored"}[row.holds]


def duration(seconds: float) -> str:
    """`48 s`, `12 min`."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
