"""Any causal model with full attention, computed by transformers' modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin

from crs_gym.lm.cache import MASKED, Columns, KeyShape, Slot, in_blocks

PREFILL_TOKENS: Final = 2_048
"""Tokens of one pass, with their padding (our choice: larger products are no faster on a CPU, and attention's scores
would not fit)."""


class ModuleForward:
    """See `Forward`.

    Args:
        model: A transformers causal language model with full attention in all layers, in evaluation mode.
        shape: Of its keys and values.
        min_rows: The fewest rows of a product, see `crs_gym.lm.decoding`.
    """

    def __init__(self, model: Any, shape: KeyShape, min_rows: int) -> None:
        self.shape = shape
        self._model = model
        self._min_rows = min_rows
        self._places: tuple[torch.Tensor, torch.Tensor] | None = None
        model.get_output_embeddings().register_forward_pre_hook(self._at_places)

    def _at_places(self, _: torch.nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor] | None:
        """`(batch, length, width)` hidden states down to those places whose logits are wanted, `(places, width)`."""
        return None if self._places is None else (inputs[0][self._places],)

    def prefill(
        self, slots: Sequence[Slot], new: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]
    ) -> list[torch.Tensor]:
        """See `Forward.prefill`."""
        logits: list[torch.Tensor] = [torch.empty(0)] * len(slots)
        for rows in _micro_batches([len(tokens) for tokens in new]):
            found = self._prefill([slots[i] for i in rows], [new[i] for i in rows], [wanted[i] for i in rows])
            for row, of_row in zip(rows, found, strict=True):
                logits[row] = of_row
        return logits

    def rows(self, slots: Sequence[Slot], room: int) -> ModuleRows:
        """See `Forward.rows`."""
        return ModuleRows(self, slots, room)

    def _prefill(
        self, slots: list[Slot], new: list[Sequence[int]], wanted: list[Sequence[int]]
    ) -> Sequence[torch.Tensor]:
        longest = max(map(len, new))
        ids = torch.zeros(len(new), longest, dtype=torch.long)  # behind a row's tokens: never seen, overwritten later
        for row, tokens in enumerate(new):
            ids[row, : len(tokens)] = torch.tensor(tokens)
        known = [len(slot.tokens) for slot in slots]
        cache = _PrefillCache(slots, self.shape, longest)
        rows = [row for row, places in enumerate(wanted) for _ in places]
        at = [place for places in wanted for place in places]
        logits = self.logits(ids, torch.tensor(known)[:, None] + torch.arange(longest)[None], cache, rows, at)
        for row, (slot, tokens) in enumerate(zip(slots, new, strict=True)):
            computed = cache.columns[:, :, row, :, known[row] : known[row] + len(tokens)]
            slot.append(tokens, computed, self.shape)
        return torch.split(logits, [len(places) for places in wanted])

    def logits(
        self, ids: torch.Tensor, positions: torch.Tensor, cache: _Cache, rows: list[int], at: list[int]
    ) -> torch.Tensor:
        """One pass over `(batch, new)` tokens; `(places, vocabulary)` logits at the places `at` of `rows`."""
        device, wanted = self.shape.device, len(rows)
        cache.positions = positions = positions.to(device)
        unseen = torch.arange(cache.width, device=device) > positions[:, None, :, None]  # (batch, 1, new, columns)
        mask = torch.zeros(unseen.shape, dtype=self.shape.dtype, device=device).masked_fill_(unseen, MASKED)
        if ids.numel() < self._min_rows and len(ids) == 1:
            copies = self._min_rows
            ids, positions, mask = ids.expand(copies, -1), positions.expand(copies, -1), mask.expand(copies, -1, -1, -1)
        if 0 < wanted < self._min_rows:
            rows, at = rows + rows[:1] * self._min_rows, at + at[:1] * self._min_rows
        self._places = (
            torch.tensor(rows, dtype=torch.long, device=device),
            torch.tensor(at, dtype=torch.long, device=device),
        )
        try:
            logits = self._model(
                input_ids=ids.to(device),
                position_ids=positions,
                attention_mask=mask,
                past_key_values=cache,
                use_cache=True,
            ).logits
        finally:
            self._places = None
        return torch.as_tensor(logits[:wanted])


class ModuleRows:
    """See `Rows`."""

    def __init__(self, forward: ModuleForward, slots: Sequence[Slot], room: int) -> None:
        self._forward = forward
        self._columns = Columns(dict(enumerate(slots)), forward.shape, room)

    @property
    def going(self) -> list[int]:
        """See `Rows.going`."""
        return list(self._columns.rows)

    def end(self, row: int, tokens: Sequence[int]) -> None:
        """See `Rows.end`."""
        self._columns.end(row, tokens)

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """See `Rows.step`."""
        n = len(tokens)
        positions = torch.tensor(self._columns.lengths)[:, None]
        logits = self._forward.logits(
            torch.tensor(tokens)[:, None], positions, _StepCache(self._columns), list(range(n)), [0] * n
        )
        self._columns.added()
        return logits


class _Cache(Cache):
    """What transformers' modules write keys and values to.

    Attributes:
        positions: `(batch, new)` where the next pass writes; set before it.
        width: How many columns it sees.
    """

    def __init__(self, layers: int, width: int) -> None:
        self.width = width
        self.positions = torch.empty(0)
        super().__init__(layers=[_Layer(self, layer) for layer in range(layers)])

    def extended(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Write `(batch, heads, new, width)` keys and values of one layer; returns those of all columns in use."""
        raise NotImplementedError


class _PrefillCache(_Cache):
    """Several new tokens a row."""

    def __init__(self, slots: Sequence[Slot], shape: KeyShape, longest: int) -> None:
        super().__init__(shape.layers, in_blocks(max(len(slot.tokens) for slot in slots) + longest))
        self.columns = shape.side_by_side(slots, self.width)

    def extended(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `_Cache`."""
        kept = self.columns[layer]  # (2, batch, heads, columns, width)
        n = kept.shape[1]
        rows = torch.arange(n, device=kept.device)[:, None]
        for side, states in zip(kept, (keys[:n], values[:n]), strict=True):
            side[rows, :, self.positions] = states.transpose(1, 2)
        return _for_copies(kept[0], len(keys)), _for_copies(kept[1], len(keys))


class _StepCache(_Cache):
    """One new token a row."""

    def __init__(self, columns: Columns) -> None:
        super().__init__(columns.layers, columns.width)
        self._columns = columns

    def extended(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `_Cache`."""
        n = len(self._columns.rows)
        shown = self._columns.extended(layer, keys[:n, :, 0], values[:n, :, 0])
        return _for_copies(shown[0], len(keys)), _for_copies(shown[1], len(keys))


def _for_copies(shown: torch.Tensor, rows: int) -> torch.Tensor:
    """Keys or values for as many rows; there may be copies of a single row."""
    return shown if len(shown) == rows else shown.expand(rows, -1, -1, -1)


class _Layer(CacheLayerMixin):  # type: ignore[no-untyped-call]  # transformers' hook for subclasses
    """One layer of a cache, as transformers' modules call it."""

    is_sliding = False

    def __init__(self, cache: _Cache, layer: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._cache = cache
        self._layer = layer
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing to do: the columns are there."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `_Cache.extended`."""
        return self._cache.extended(self._layer, key_states, value_states)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """How many columns a query sees, and which is the first."""
        del query_length
        return self._cache.width, 0

    def get_seq_length(self) -> int:
        """How many columns are in use."""
        return self._cache.width

    def get_max_length(self) -> int:
        """How many columns there are."""
        return self._cache.width


def _micro_batches(lengths: Sequence[int]) -> list[list[int]]:
    """Rows of similar length together, at most `PREFILL_TOKENS` with their padding."""
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[row] <= PREFILL_TOKENS:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches
