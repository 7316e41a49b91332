"""Computing many rows at once: prefill of what is new, and the decode loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch.nn import functional

from crs_gym.lm.cache import BatchCache, KeyShape, Slot, in_blocks
from crs_gym.lm.interface import Sampling
from crs_gym.lm.llama import LlamaForward, is_llama
from crs_gym.lm.noise import gumbel, stream_keys
from crs_gym.numeric import IntArray

PREFILL_TOKENS: Final = 2_048
"""Tokens of one prefill (our choice: larger products are no faster on a CPU, and attention's scores would not fit)."""

SHRINK_BELOW: Final = 0.75
"""Finished rows leave the batch when fewer than this share goes on: dropping them copies the others."""

MIN_ROWS: Final = {torch.bfloat16: 2}
"""The fewest rows of a matrix product, else `MIN_ROWS_ELSE`. Measured on CPUs: with fewer, another kernel sums in
another order, and a row alone would differ in its last bits from the same row among others."""

MIN_ROWS_ELSE: Final = 4

DRAW_BLOCK: Final = 128
"""Logits that are passed over together when a token is drawn (our choice)."""

MASKED: Final = -1e9
"""Added to the scores of what must not be seen."""


@dataclass(frozen=True, slots=True)
class Written:
    """What one row's decoding drew: its tokens, and whether it ended by itself."""

    tokens: list[int]
    finished: bool


class Decoder:
    """Runs one causal model over slots.

    Args:
        model: A transformers causal language model with full attention in all layers, in evaluation mode.
        shape: The shape of its keys and values.
    """

    def __init__(self, model: Any, shape: KeyShape) -> None:
        self._model = model
        self._shape = shape
        self._min_rows = MIN_ROWS.get(shape.dtype, MIN_ROWS_ELSE)
        self._places: tuple[torch.Tensor, torch.Tensor] | None = None
        on_cpu = shape.device.type == "cpu"
        self._llama = LlamaForward(model, self._min_rows) if on_cpu and is_llama(model) else None
        model.get_output_embeddings().register_forward_pre_hook(self._at_places)

    def _at_places(self, _: torch.nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor] | None:
        """`(batch, length, width)` hidden states down to those places whose logits are wanted, `(places, width)`."""
        return None if self._places is None else (inputs[0][self._places],)

    @torch.inference_mode()
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
        logits: list[torch.Tensor] = [torch.empty(0)] * len(slots)
        for rows in _micro_batches([len(tokens) for tokens in new]):
            for row, found in zip(
                rows,
                self._prefill([slots[i] for i in rows], [new[i] for i in rows], [wanted[i] for i in rows]),
                strict=True,
            ):
                logits[row] = found
        return logits

    def _prefill(
        self, slots: list[Slot], new: list[Sequence[int]], wanted: list[Sequence[int]]
    ) -> Sequence[torch.Tensor]:
        longest = max(map(len, new))
        cache = BatchCache.of(slots, self._shape, longest)
        ids = torch.zeros(len(new), longest, dtype=torch.long)  # behind a row's tokens: never seen, overwritten later
        for row, tokens in enumerate(new):
            ids[row, : len(tokens)] = torch.tensor(tokens)
        known = torch.tensor([len(slot.tokens) for slot in slots])
        positions = known[:, None] + torch.arange(longest)[None]  # (batch, longest)
        rows = [row for row, places in enumerate(wanted) for _ in places]
        at = [place for places in wanted for place in places]
        logits = self._forward(ids, positions, cache, (rows, at))
        for row, (slot, tokens) in enumerate(zip(slots, new, strict=True)):
            start = len(slot.tokens)
            slot.append(tokens, cache.columns[:, :, row, :, start : start + len(tokens)])
        return torch.split(logits, [len(places) for places in wanted])

    @torch.inference_mode()
    def write(
        self,
        slots: Sequence[Slot],
        logits: torch.Tensor,
        sampling: Sampling,
        keys: Sequence[int],
        ends: Callable[[int, Sequence[int]], bool],
    ) -> list[Written]:
        """Draw texts token by token; slots end with all tokens but the last one drawn, which is not computed.

        Args:
            slots: `n` slots, prefilled.
            logits: `(n, vocabulary)` of the first token.
            sampling: How to draw.
            keys: `n` keys.
            ends: Whether a row's text is over: its number and the tokens drawn so far, the last one included.

        Returns:
            What each row drew; the token that ended it is the last one.
        """
        streams = stream_keys(keys)
        drawn: list[list[int]] = [[] for _ in slots]
        finished = [False] * len(slots)
        cache = BatchCache.of(slots, self._shape, sampling.max_tokens)
        known = [len(slot.tokens) for slot in slots]
        going = list(range(len(slots)))  # the row of each place of the batch
        active = list(range(len(slots)))  # the places that go on
        for step in range(sampling.max_tokens):
            of_active = logits if len(active) == len(logits) else logits[active]
            tokens = draw(of_active, sampling, streams[[going[place] for place in active]], step)
            still = []
            for place, token in zip(active, tokens.tolist(), strict=True):
                row = going[place]
                drawn[row].append(token)
                finished[row] = ends(row, drawn[row])
                if not finished[row]:
                    still.append(place)
            active = still
            if not active or step == sampling.max_tokens - 1:
                break
            if len(active) < SHRINK_BELOW * len(going):
                over = set(range(len(going))).difference(active)
                self._store(cache, going, over, slots, drawn)
                cache.keep_rows(torch.tensor(active, device=self._shape.device))
                going, active = [going[place] for place in active], list(range(len(active)))
            ids = torch.tensor([[drawn[row][-1]] for row in going])
            logits = self._forward(ids, torch.tensor([[known[row] + step] for row in going]), cache, None)
        self._store(cache, going, range(len(going)), slots, drawn)
        return [Written(tokens, over) for tokens, over in zip(drawn, finished, strict=True)]

    def _store(
        self,
        cache: BatchCache,
        going: Sequence[int],
        places: Iterable[int],
        slots: Sequence[Slot],
        drawn: Sequence[list[int]],
    ) -> None:
        """Write what some places of a batch have computed back to their slots."""
        for place in places:
            slot, computed = slots[going[place]], drawn[going[place]][:-1]
            start = len(slot.tokens)
            if computed:
                slot.append(computed, cache.columns[:, :, place, :, start : start + len(computed)])

    def _forward(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        cache: BatchCache,
        places: tuple[list[int], list[int]] | None,
    ) -> torch.Tensor:
        """One pass over `(batch, new)` tokens; `(places, vocabulary)` logits, by default the last ones."""
        rows, at = places if places is not None else (list(range(len(ids))), [ids.shape[1] - 1] * len(ids))
        device, wanted = self._shape.device, len(rows)
        cache.width = min(in_blocks(int(positions.max()) + 1), cache.columns.shape[4])
        cache.positions = positions = positions.to(device)
        hidden = torch.arange(cache.width, device=device) > positions[:, None, :, None]  # (batch, 1, new, columns)
        mask = torch.zeros(hidden.shape, dtype=self._shape.dtype, device=device).masked_fill_(hidden, MASKED)
        if self._llama is not None:
            return self._llama(ids, positions, mask, cache, (torch.tensor(rows), torch.tensor(at)))
        if ids.numel() < self._min_rows and len(ids) == 1:
            copies = self._min_rows
            ids, positions, mask = ids.expand(copies, -1), positions.expand(copies, -1), mask.expand(copies, -1, -1, -1)
        if 0 < wanted < self._min_rows:
            rows, at = rows + rows[:1] * self._min_rows, at + at[:1] * self._min_rows
        self._places = (torch.tensor(rows, device=device), torch.tensor(at, device=device))
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


def draw(logits: torch.Tensor, sampling: Sampling, streams: np.typing.NDArray[np.uint64], step: int) -> IntArray:
    """`(n,)` int64, one token a row, by the largest of logits and keyed Gumbel noise.

    Only tokens that `min_p` keeps are given noise, so that a draw costs one pass over the logits.

    Args:
        logits: `(n, vocabulary)`.
        sampling: The temperature and `min_p`.
        streams: `(n,)`, see `crs_gym.lm.noise`.
        step: Which token of the text it is.
    """
    if sampling.temperature == 0.0:
        return logits.argmax(dim=-1).cpu().numpy()
    if sampling.min_p > 0.0:
        rows, tokens = _at_least(logits, sampling.temperature * float(np.log(sampling.min_p)))
        kept = logits[rows, tokens].double().cpu().numpy()
        row_numbers, numbers = rows.cpu().numpy(), tokens.cpu().numpy()
        noisy = kept / sampling.temperature + gumbel(streams[row_numbers], step, numbers)
        order = np.lexsort((noisy, row_numbers))  # the last of each row is its largest
        last = np.append(np.flatnonzero(np.diff(row_numbers[order])), len(order) - 1)
        return np.asarray(numbers[order[last]])
    noise = gumbel(streams[:, None], step, np.arange(logits.shape[1])[None])
    return np.asarray(np.argmax(logits.double().cpu().numpy() / sampling.temperature + noise, axis=1))


def _at_least(logits: torch.Tensor, margin: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Where logits are no more than `-margin` below the largest of their row: rows and tokens, sorted.

    Whole blocks whose largest logit is too small are passed over: a look at every logit takes thirty times as long.
    """
    n, size = logits.shape
    blocks = functional.pad(logits, (0, -size % DRAW_BLOCK), value=-torch.inf).view(n, -1, DRAW_BLOCK)
    tops = blocks.amax(dim=-1).float()
    floors = tops.amax(dim=-1) + margin
    row, block = torch.nonzero(tops >= floors[:, None], as_tuple=True)
    found, place = torch.nonzero(blocks[row, block].float() >= floors[row][:, None], as_tuple=True)
    return row[found], block[found] * DRAW_BLOCK + place


def _micro_batches(lengths: Sequence[int]) -> list[list[int]]:
    """Rows of similar length together, at most `PREFILL_TOKENS` with their padding."""
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[row] <= PREFILL_TOKENS:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches
