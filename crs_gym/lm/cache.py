"""Keys and values of attention: one growing buffer a dialogue, and the columns that a batch computes with.

A dialogue's next prompt extends its last one, so only what is new is computed. Between calls each dialogue has a buffer
of its own; for a call, the buffers of its rows are copied side by side. A copy costs a few hundredths of what it saves.

Column `p` of a batch holds each row's position `p`, whatever the other rows hold. So the sums of attention run over the
same numbers in the same order for a row alone and among others, with exact zeros behind; together with matrix products
whose rows do not depend on each other (bfloat16 on CPUs), a row's logits are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin

SPARE: Final = 64
"""Tokens by which a full buffer grows at least (our choice: about one turn)."""


BLOCK: Final = 64
"""Columns come in blocks of this many, so that sums are cut into pieces at the same places whatever their length."""


@dataclass(slots=True, eq=False)
class Slot:
    """What is kept of one dialogue.

    Attributes:
        tokens: What has been computed, in order.
        kept: `(layers, 2, heads, capacity, width)` keys and values; the first `len(tokens)` places are filled.
    """

    tokens: list[int] = field(default_factory=list)
    kept: torch.Tensor | None = None

    def shared(self, tokens: Sequence[int]) -> int:
        """How many tokens at the beginning are the same."""
        mine = self.tokens
        if mine == tokens[: len(mine)]:
            return len(mine)
        return next(i for i, (a, b) in enumerate(zip([*mine, -1], [*tokens, -2], strict=False)) if a != b)

    def cut(self, length: int) -> None:
        """Forget what stands behind the first `length` tokens."""
        del self.tokens[length:]

    def append(self, tokens: Sequence[int], computed: torch.Tensor) -> None:
        """Add tokens with their `(layers, 2, heads, len(tokens), width)` keys and values."""
        start, end = len(self.tokens), len(self.tokens) + len(tokens)
        if self.kept is None or self.kept.shape[3] < end:
            layers, two, heads, _, width = computed.shape
            grown = computed.new_empty(layers, two, heads, end + max(SPARE, end // 4), width)
            if self.kept is not None:
                grown[:, :, :, :start] = self.kept[:, :, :, :start]
            self.kept = grown
        self.kept[:, :, :, start:end] = computed
        self.tokens.extend(tokens)


class _Layer(CacheLayerMixin):  # type: ignore[no-untyped-call]  # transformers' hook for subclasses
    """One layer of a `BatchCache`: writes new columns in place and shows all that are in use."""

    is_sliding = False

    def __init__(self, batch: BatchCache, layer: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._batch = batch
        self._layer = layer
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing to do: the columns are there."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `BatchCache.extended`."""
        return self._batch.extended(self._layer, key_states, value_states)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """How many columns a query sees, and which is the first."""
        del query_length
        return self._batch.width, 0

    def get_seq_length(self) -> int:
        """How many columns are in use."""
        return self._batch.width

    def get_max_length(self) -> int:
        """How many columns there are."""
        return int(self._batch.columns.shape[4])


class BatchCache(Cache):
    """Keys and values of the rows of one call.

    Attributes:
        columns: `(layers, 2, batch, heads, capacity, width of a head)`.
        rows: `0 … batch - 1`.
        positions: `(batch, new)` where the next forward pass writes; set it before.
        width: How many columns the next pass sees; set it before.
    """

    def __init__(self, columns: torch.Tensor) -> None:
        self.columns = columns
        self.rows = torch.arange(columns.shape[2], device=columns.device)
        self.positions = self.rows[:, None]
        self.width = 0
        super().__init__(layers=[_Layer(self, layer) for layer in range(columns.shape[0])])

    @classmethod
    def of(cls, slots: Sequence[Slot], shape: KeyShape, room: int) -> BatchCache:
        """The slots' keys and values side by side, with room for further columns."""
        capacity = in_blocks(max((len(slot.tokens) for slot in slots), default=0) + room)
        # Zeros: what no query sees is multiplied by 0, and must not be nan.
        columns = torch.zeros(
            (shape.layers, 2, len(slots), shape.heads, capacity, shape.width), dtype=shape.dtype, device=shape.device
        )
        for row, slot in enumerate(slots):
            if slot.kept is not None:
                columns[:, :, row, :, : len(slot.tokens)] = slot.kept[:, :, :, : len(slot.tokens)]
        return cls(columns)

    def extended(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Write `(batch, heads, new, width)` keys and values at their positions; returns all columns in use."""
        kept = self.columns[layer]  # (2, batch, heads, capacity, width)
        copies = len(keys) // kept.shape[1]
        for side, states in zip(kept, (keys[: kept.shape[1]], values[: kept.shape[1]]), strict=True):
            if self.positions.shape[1] == 1:
                side[self.rows, :, self.positions[:, 0]] = states[:, :, 0]
            else:
                side[self.rows[:, None], :, self.positions] = states.transpose(1, 2)
        shown = kept[:, :, :, : self.width]
        if copies > 1:  # of a single row
            shown = shown.expand(-1, copies, -1, -1, -1)
        return shown[0], shown[1]

    def keep_rows(self, rows: torch.Tensor) -> None:
        """Go on with some rows only."""
        self.columns = self.columns[:, :, rows]
        self.rows = torch.arange(len(rows), device=rows.device)


def in_blocks(columns: int) -> int:
    """The number of columns, rounded up to whole blocks."""
    return -(-columns // BLOCK) * BLOCK


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
