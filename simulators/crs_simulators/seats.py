"""What users that a language model plays have in common: a seat a dialogue, with a place in the model's cache."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, Literal, TypeVar, get_args

from crs_gym.lm import LanguageModel

Knows = Literal["history", "profile"]
"""What a seeker knows of itself: what it has said, or its profile, too."""

Seat = TypeVar("Seat")


def check_knows(knows: str) -> None:
    """Refuse what is no `Knows`.

    Raises:
        ValueError: It is none.
    """
    if knows not in get_args(Knows):
        raise ValueError(f"knows={knows!r}: must be one of {', '.join(get_args(Knows))}")


def hashed(parts: Iterable[object]) -> str:
    """12 hex digits that change with any of the things that an answer depends on."""
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=6).hexdigest()


class Seats(Generic[Seat]):
    """The seats of `num_dialogues` dialogues. The model may outlive them, where others use it, too.

    Args:
        model: Keeps a cache for each seat, which is dropped when another seeker is seated, and in the end.
        num_dialogues: How many.
    """

    def __init__(self, model: LanguageModel, num_dialogues: int) -> None:
        self._model = model
        self._seats: list[Seat | None] = [None] * num_dialogues
        self._place = object()  # tells these seats from those of others in the model's cache
        weakref.finalize(self, model.forget, self.slots(range(num_dialogues))).atexit = False

    def put(self, rows: Sequence[int], seats: Iterable[Seat]) -> None:
        """Seat new seekers."""
        self._model.forget(self.slots(rows))
        for row, seat in zip(rows, seats, strict=True):
            self._seats[row] = seat

    def __getitem__(self, row: int) -> Seat:
        """The seat in `row`.

        Raises:
            ValueError: Nobody was put there.
        """
        seat = self._seats[row]
        if seat is None:
            raise ValueError(f"no seeker was put into row {row}: call reset() first")
        return seat

    def slots(self, rows: Iterable[int]) -> list[Hashable]:
        """The names of some seats in the model's cache."""
        return [(self._place, row) for row in rows]
