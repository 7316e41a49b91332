"""Keys and values of attention: one growing buffer a dialogue, and the columns that several rows compute with.

A dialogue's next prompt extends its last one, so only what is new is computed. Between calls each dialogue has a buffer
of its own.

Column `p` holds a row's position `p`, whatever other rows hold. So the sums of attention run over the same numbers in
the same order for a row alone and among others, with exact zeros behind; together with matrix products whose rows do
not depend on each other (bfloat16 on CPUs), a row's logits are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import torch

from crs_gym.lm.beginnings import common_length

SPARE: Final = 64
"""Tokens by which a full buffer grows at least (our choice: about one turn)."""

BLOCK: Final = 64
"""Columns come in blocks of this many, so that sums are cut into pieces at the same places whatever their length."""

MASKED: Final = -1e9
"""Added to the scores of what must not be seen."""


@dataclass(frozen=True, slots=True)
class KeyShape:
    """The shape of a model's keys and values.

    Attributes:
        layers: How many layers.
        heads: Heads of keys and values, which several heads of queries may share.
        width: Of one head.
        dtype: Of the numbers.
        device: Where they lie.
    """

    layers: int
    heads: int
    width: int
    dtype: torch.dtype
    device: torch.device

    def zeros(self, columns: int) -> torch.Tensor:
        """`(layers, 2, heads, columns, width)`: what no query sees is multiplied by 0, and must not be nan."""
        return torch.zeros(self._sizes((), columns), dtype=self.dtype, device=self.device)

    def side_by_side(self, slots: Sequence[Slot], columns: int) -> torch.Tensor:
        """`(layers, 2, slots, heads, columns, width)`: what the slots hold, zeros behind it."""
        sides = torch.empty(self._sizes((len(slots),), columns), dtype=self.dtype, device=self.device)
        for place, slot in enumerate(slots):
            length = len(slot.tokens)
            if slot.kept is not None:
                sides[:, :, place, :, :length] = slot.kept[:, :, :, :length]
            sides[:, :, place, :, length:] = 0
        return sides

    def _sizes(self, rows: Sequence[int], columns: int) -> tuple[int, ...]:
        return (self.layers, 2, *rows, self.heads, columns, self.width)


@dataclass(slots=True, eq=False)
class Slot:
    """What is kept of one dialogue.

    Attributes:
        tokens: What has been computed, in order.
        kept: `(layers, 2, heads, capacity, width)` keys and values; the first `len(tokens)` places are filled, and the
            capacity is whole blocks.
    """

    tokens: list[int] = field(default_factory=list)
    kept: torch.Tensor | None = None

    def shared(self, tokens: Sequence[int]) -> int:
        """How many tokens at the beginning are the same."""
        return common_length(self.tokens, tokens)

    def become(self, other: Slot, length: int | None = None) -> None:
        """Hold what another slot holds, or its first `length` tokens, in a buffer of its own."""
        if other is not self:
            self.tokens = list(other.tokens)
            self.kept = None if other.kept is None else other.kept.clone()
        if length is not None:
            del self.tokens[length:]

    def with_room(self, tokens: int, shape: KeyShape) -> torch.Tensor:
        """`kept`, grown where it has no room for so many more tokens."""
        end = len(self.tokens) + tokens
        if self.kept is None or self.kept.shape[3] < end:
            grown = shape.zeros(in_blocks(end + max(SPARE, end // 4)))
            if self.kept is not None:
                grown[:, :, :, : len(self.tokens)] = self.kept[:, :, :, : len(self.tokens)]
            self.kept = grown
        return self.kept

    def append(self, tokens: Sequence[int], computed: torch.Tensor, shape: KeyShape) -> None:
        """Add tokens with their `(layers, 2, heads, len(tokens), width)` keys and values."""
        start = len(self.tokens)
        self.with_room(len(tokens), shape)[:, :, :, start : start + len(tokens)] = computed
        self.tokens.extend(tokens)


class Columns:
    """Keys and values of some slots side by side, to which a token a row is added at a time.

    Args:
        slots: The slots, by row.
        shape: Of their keys and values.
        room: How many columns may be added.

    Attributes:
        rows: The rows that go on, by place.
        lengths: How many columns each of them has filled, by place.
    """

    def __init__(self, slots: dict[int, Slot], shape: KeyShape, room: int) -> None:
        self.rows = list(slots)
        self.lengths = [len(slot.tokens) for slot in slots.values()]
        self._slots = slots
        self._shape = shape
        capacity = in_blocks(max(self.lengths) + room)
        self._columns = shape.side_by_side(list(slots.values()), capacity)

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return self._shape.layers

    @property
    def width(self) -> int:
        """How many columns are in use, in whole blocks, once a token has been added to each row."""
        return in_blocks(max(self.lengths) + 1)

    def extended(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Write a layer's keys and values of one further token.

        Args:
            layer: Which layer.
            keys: `(rows, heads, width)`, in the order of places.
            values: As `keys`.

        Returns:
            `(rows, heads, columns, width)` keys and values of all columns in use.
        """
        kept = self._columns[layer, :, : len(self.rows)]
        device = self._shape.device
        places, at = torch.arange(len(self.rows), device=device), torch.tensor(self.lengths, device=device)
        kept[0][places, :, at] = keys
        kept[1][places, :, at] = values
        shown = kept[:, :, :, : self.width]
        return shown[0], shown[1]

    def added(self) -> None:
        """All layers have been extended."""
        self.lengths = [length + 1 for length in self.lengths]

    def end(self, row: int, tokens: Sequence[int]) -> None:
        """Take a row out: what was added to it goes to its slot, with the tokens that it stands for."""
        place = self.rows.index(row)
        slot = self._slots[row]
        start = len(slot.tokens)
        if tokens:
            slot.append(tokens, self._columns[:, :, place, :, start : start + len(tokens)], self._shape)
        last = len(self.rows) - 1
        if place < last:  # the last row takes the place: one copy, where closing up would copy all behind
            width = self.lengths[last]
            self._columns[:, :, place, :, :width] = self._columns[:, :, last, :, :width]
            self._columns[:, :, place, :, width : self.lengths[place]] = 0
            self.rows[place], self.lengths[place] = self.rows[last], self.lengths[last]
        del self.rows[last], self.lengths[last]


def in_blocks(columns: int) -> int:
    """The number of columns, rounded up to whole blocks."""
    return -(-columns // BLOCK) * BLOCK
