"""What the decode loop asks of a model: to read tokens into slots, and to add a token to each of several rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

from crs_gym.lm.cache import Slot


class Rows(Protocol):
    """Rows that are written to, a token each at a time."""

    @property
    def going(self) -> list[int]:
        """The rows that go on, in the order in which they are computed."""
        ...

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """Add a token to each row that goes on; `(rows, vocabulary)` logits behind it, in the order of `going`."""
        ...

    def end(self, row: int, tokens: Sequence[int]) -> None:
        """Take a row out, and add the tokens that were added to it to its slot."""
        ...


class Forward(Protocol):
    """A model's computation."""

    def prefill(
        self, slots: Sequence[Slot], new: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]
    ) -> list[torch.Tensor]:
        """Append tokens to slots.

        Args:
            slots: `n` slots.
            new: What to append to each; at least one token.
            wanted: Places in `new` whose next-token logits are wanted.

        Returns:
            For each slot `(len(wanted), vocabulary)` logits.
        """
        ...

    def rows(self, slots: Sequence[Slot], room: int) -> Rows:
        """The slots as rows with numbers from 0, to each of which up to `room` tokens may be added."""
        ...
