"""Prompts of one call that begin alike: what they share is computed once, and each goes on from there.

Members of a group meet the same user, so their prompts part where the agent's words do; and a chat model is asked about
each film of a slate behind the same dialogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

LEAST: Final = 64
"""The fewest tokens that are worth sharing (our choice: a pass of its own has its price)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt as a model reads it.

    Attributes:
        tokens: All of them.
        places: Behind which of them it is read, in order; at least one.
    """

    tokens: Sequence[int]
    places: Sequence[int]

    @property
    def key(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Equal where prompts are the same; in its order, those that begin alike are neighbours."""
        return tuple(self.tokens), tuple(self.places)


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a prompt need not compute.

    Attributes:
        row: The row whose cache holds it: itself where it goes on from its own.
        length: How many tokens it is.
        reads: How many of the prompt's places lie in it, and are read off that row.
    """

    row: int
    length: int
    reads: int = 0


def beginnings(asked: Mapping[int, Asked], known: Mapping[int, int]) -> dict[int, Beginning]:
    """Where each prompt goes on: a tree of prompts, each behind the one that it goes on from.

    A prompt is read off the first row that is the same, goes on from a row that begins alike, or from its own cache.

    Args:
        asked: Prompts by row.
        known: How many tokens each row's own cache holds, none of them behind its first place.
    """
    found: dict[int, Beginning] = {}
    last: int | None = None
    for row in sorted(asked, key=lambda row: (*asked[row].key, row)):  # neighbours share the most
        here = asked[row]
        if last is not None and here.key == asked[last].key:
            found[row] = Beginning(last, len(here.tokens), len(here.places))
            continue
        found[row] = Beginning(row, known[row])
        if last is not None:
            base, shared = last, _shared(asked[last], here)
            while found[base].row != base and shared <= found[base].length:  # whoever computed what is shared
                base = found[base].row
            if shared - known[row] >= LEAST:
                found[row] = Beginning(base, shared, sum(place < shared for place in here.places))
        last = row
    return found


def waves(begun: Mapping[int, Beginning]) -> list[list[int]]:
    """Rows that can be computed together, those first from which others go on.

    Args:
        begun: As `beginnings` returns it.
    """
    found: dict[int, list[int]] = {}
    depths: dict[int, int] = {}
    for row, beginning in begun.items():
        depths[row] = 0 if beginning.row == row else depths[beginning.row] + 1
        found.setdefault(depths[row], []).append(row)
    return list(found.values())


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """How many numbers at the beginning are the same."""
    least = min(len(one), len(other))
    if one[:least] == other[:least]:
        return least
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), least)


def _shared(first: Asked, asked: Asked) -> int:
    """Up to where a prompt's tokens and places are another one's, its last place left out."""
    same = common_length(first.places, asked.places)
    apart = (*first.places[same : same + 1], *asked.places[same : same + 1])
    return min(common_length(first.tokens, asked.tokens), asked.places[-1], *apart)
