"""The year that a text says beside a title. Arguments as in `crs_gym.resolver.cues`."""

from __future__ import annotations

from typing import Final

from crs_gym.resolver.cues import blank
from crs_gym.resolver.tokens import BRACKETED, YEARS
from crs_gym.resolver.words import UNITS

_APART: Final = frozenset(",;)]|\n\r")
"""Between a name and a bracket, these say that the bracket belongs to something else."""
_DATABLE: Final = frozenset(("film", "movie", "version", "remake", "classic", "the", "of"))


def year_after(parts: list[str], low: list[str], end: int) -> tuple[int | None, bool]:
    """The word that is a year and follows a name that ends before word `end`, and whether it must be the film's.

    A year (or `undated`) in brackets, right behind the name or after `from` must be; one after a comma or dash, or with
    a year of its own (`watch 2012 (2009)`), only may be.
    """
    if end == len(low):
        return None, False
    gap = parts[2 * end]
    if gap[-1:] in ("(", "[") and _APART.isdisjoint(gap):
        for place in range(end, min(end + 4, len(low))):
            if place > end and parts[2 * place] != " ":
                break
            if low[place] in BRACKETED:
                return place, True
        return None, False
    if low[end] in YEARS:
        if blank(gap):
            if end + 1 == len(low):
                return end, True
            return end, low[end + 1] not in UNITS and not (parts[2 * end + 2] == " (" and low[end + 1] in BRACKETED)
        return (end, False) if gap in (", ", " - ", " – ", ": ", '" ') else (None, False)
    if (blank(gap) or gap == ", ") and low[end] == "from" and end + 1 < len(low) and low[end + 1] in YEARS:
        return end + 1, True
    return None, False


def year_before(parts: list[str], low: list[str], start: int) -> int:
    """The year of `the 1995 film Heat`, `1995's Heat` or `the 1995 Heat`; 0 where there is none."""
    for back in (1, 2, 3):
        if start < back or parts[2 * (start - back + 1)] != " ":
            return 0
        word = low[start - back]
        if word in YEARS or (word[-1:] == "s" and word[:-1] in YEARS and "'" in parts[2 * (start - back) + 1]):
            return YEARS[word[:4]]
        if word not in _DATABLE:
            return 0
    return 0
