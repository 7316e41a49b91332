"""Computing many rows at once: prefill of what is new, and the decode loop."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch.nn import functional

from crs_gym.lm.cache import KeyShape, Slot
from crs_gym.lm.forward import Forward
from crs_gym.lm.guide import Walk
from crs_gym.lm.interface import Sampling
from crs_gym.lm.llama import LlamaForward, is_llama
from crs_gym.lm.modules import ModuleForward
from crs_gym.lm.noise import gumbel, stream_keys
from crs_gym.numeric import IntArray

MIN_ROWS: Final = {torch.bfloat16: 2}
"""The fewest rows of a matrix product, else `MIN_ROWS_ELSE`. Measured on CPUs: with fewer, another kernel sums in
another order, and a row alone would differ in its last bits from the same row among others."""

MIN_ROWS_ELSE: Final = 4

DRAW_BLOCK: Final = 128
"""Logits that are weighed together when a token is drawn (our choice)."""


Scorer = Callable[[torch.Tensor, Sequence[int], float], list[float]]
"""From `(n, vocabulary)` logits, `n` tokens that were drawn and the temperature to a number for each token."""


@dataclass(frozen=True, slots=True)
class Written:
    """What one row's decoding drew: its tokens, whether it ended by itself, and for each token a number, if wanted, and
    whether it was a choice, where not all were.
    """

    tokens: list[int]
    finished: bool
    scores: tuple[float, ...] = ()
    chosen: tuple[bool, ...] = ()


class Decoder:
    """Runs one causal model over slots.

    Args:
        model: A transformers causal language model with full attention in all layers, in evaluation mode.
        shape: The shape of its keys and values.

    Attributes:
        scorer: What each token is scored by when it is drawn; `None` for no scores.
    """

    def __init__(self, model: Any, shape: KeyShape) -> None:
        self.scorer: Scorer | None = None
        min_rows = MIN_ROWS.get(shape.dtype, MIN_ROWS_ELSE)
        fast = shape.device.type == "cpu" and is_llama(model)
        self.forward: Forward = (LlamaForward if fast else ModuleForward)(model, shape, min_rows)

    @torch.inference_mode()
    def prefill(
        self, slots: Sequence[Slot], new: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]
    ) -> list[torch.Tensor]:
        """See `Forward.prefill`."""
        return self.forward.prefill(slots, new, wanted)

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
        scores: list[list[float]] = [[] for _ in slots]
        finished = [False] * len(slots)
        rows = self.forward.rows(slots, sampling.max_tokens)
        logits = logits[rows.going]
        for step in range(sampling.max_tokens):
            going = rows.going
            tokens = draw(logits, sampling, streams[going], step).tolist()
            if self.scorer is not None:
                for row, score in zip(going, self.scorer(logits, tokens, sampling.temperature), strict=True):
                    scores[row].append(score)
            for row, token in zip(going, tokens, strict=True):
                drawn[row].append(token)
                finished[row] = ends(row, drawn[row])
                if finished[row] or step == sampling.max_tokens - 1:
                    rows.end(row, drawn[row][:-1])
            if not rows.going:
                break
            logits = rows.step([drawn[row][-1] for row in rows.going])
        return [Written(*row) for row in zip(drawn, finished, map(tuple, scores), strict=True)]

    @torch.inference_mode()
    def write_guided(
        self,
        slots: Sequence[Slot],
        logits: torch.Tensor,
        sampling: Sampling,
        keys: Sequence[int],
        walks: Sequence[Walk],
    ) -> list[Written]:
        """Draw texts choice by choice: what must follow one is read at once. Slots end somewhere in the text.

        Rows that hold the same tokens are computed once, until they choose differently.

        Args:
            slots: `n` slots, prefilled.
            logits: `(n, vocabulary)` behind what they hold.
            sampling: How to draw, and after how many tokens a text is cut.
            keys: `n` keys; a draw's noise is that of its number among the choices.
            walks: `n` texts at their beginning.

        Returns:
            What each row wrote; a token that was no choice scores 0.
        """
        streams = stream_keys(keys)
        scores: list[list[float]] = [[0.0] * len(walk.tokens) for walk in walks]
        new = {row: list(walk.tokens) for row, walk in enumerate(walks)}
        found = dict(enumerate(logits))
        leader = _first_alike([tuple(slot.tokens) for slot in slots], walks)
        choice = 0
        while going := [
            row for row, walk in enumerate(walks) if walk.options and len(walk.tokens) < sampling.max_tokens
        ]:
            unread = [row for row in going if new[row] and leader[row] == row]
            if unread:
                wanted = [[len(new[row]) - 1] for row in unread]
                read = self.forward.prefill([slots[row] for row in unread], [new[row] for row in unread], wanted)
                found |= {row: at[0] for row, at in zip(unread, read, strict=True)}
            seen = torch.stack([found[leader[row]] for row in going])
            allowed = _only(seen, [walks[row].options for row in going])
            tokens = draw(allowed, sampling, streams[going], choice).tolist()
            for place in [place for place, row in enumerate(going) if not walks[row].draws]:
                tokens[place] = int(allowed[place].argmax())
            told = self.scorer(seen, tokens, sampling.temperature) if self.scorer else [0.0] * len(going)
            for row, token, score in zip(going, tokens, told, strict=True):
                new[row] = walks[row].take(token)
                scores[row] += [score, *[0.0] * (len(new[row]) - 1)]
            before, leader = leader, _first_alike(leader, walks)
            for row, of in enumerate(before):
                if leader[row] == row:  # it has left the one that computed for it
                    slots[row].become(slots[of])
            choice += 1
        for row, of in enumerate(leader):
            slots[row].become(slots[of])
        most = sampling.max_tokens
        ended = [not walk.options and len(walk.tokens) <= most for walk in walks]
        return [
            Written(walk.tokens[:most], whole, tuple(score[:most]), tuple(walk.chosen[:most]))
            for walk, whole, score in zip(walks, ended, scores, strict=True)
        ]


def _first_alike(read: Sequence[Hashable], walks: Sequence[Walk]) -> list[int]:
    """For each row the first one that is the same: what it had read, what was written since, and the choice now."""
    firsts: dict[tuple[Hashable, ...], int] = {}
    return [
        firsts.setdefault((known, tuple(walk.tokens), tuple(walk.options), walk.draws), row)
        for row, (known, walk) in enumerate(zip(read, walks, strict=True))
    ]


def draw(logits: torch.Tensor, sampling: Sampling, streams: np.typing.NDArray[np.uint64], step: int) -> IntArray:
    """`(n,)` int64, one token a row, by the largest of logits and keyed Gumbel noise.

    Tokens that `min_p` cuts off are given no noise, and without it one block of tokens is: a draw costs one pass over
    the logits.

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
    return _from_all(logits, sampling.temperature, streams, step)


def _only(logits: torch.Tensor, options: Sequence[Sequence[int]]) -> torch.Tensor:
    """The logits of some tokens in each row; all others are never drawn."""
    rows = [row for row, tokens in enumerate(options) for _ in tokens]
    columns = [token for tokens in options for token in tokens]
    kept = torch.full_like(logits, -torch.inf)
    kept[rows, columns] = logits[rows, columns]
    return kept


def _from_all(logits: torch.Tensor, temperature: float, streams: np.typing.NDArray[np.uint64], step: int) -> IntArray:
    """`(n,)` int64, from the whole distribution: first a block, by what its tokens weigh together, then one of them.

    The largest of a block's noisy logits is its log-sum-exp with Gumbel noise (Maddison, Tarlow and Minka 2014, arXiv
    1411.0030): so noise is needed for all blocks and the tokens of one, not for each token.
    """
    n, size = logits.shape
    blocks = _in_blocks(logits).float() / temperature
    weights = blocks.logsumexp(dim=-1).double().cpu().numpy()
    block = np.argmax(weights + gumbel(streams[:, None], step, size + np.arange(weights.shape[1])), axis=1)
    tokens = block[:, None] * DRAW_BLOCK + np.arange(DRAW_BLOCK)
    inside = blocks[torch.arange(n), torch.from_numpy(block).to(blocks.device)].double().cpu().numpy()
    place = np.argmax(inside + gumbel(streams[:, None], step, tokens), axis=1)
    return np.asarray(tokens[np.arange(n), place])


def _at_least(logits: torch.Tensor, margin: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Where logits are no more than `-margin` below the largest of their row: rows and tokens, sorted.

    Whole blocks whose largest logit is too small are passed over: a look at every logit takes thirty times as long.
    """
    blocks = _in_blocks(logits)
    tops = blocks.amax(dim=-1).float()
    floors = tops.amax(dim=-1) + margin
    row, block = torch.nonzero(tops >= floors[:, None], as_tuple=True)
    found, place = torch.nonzero(blocks[row, block].float() >= floors[row][:, None], as_tuple=True)
    return row[found], block[found] * DRAW_BLOCK + place


def _in_blocks(logits: torch.Tensor) -> torch.Tensor:
    """`(n, blocks, DRAW_BLOCK)`; what is missing of the last block is never drawn."""
    n, size = logits.shape
    if size % DRAW_BLOCK:
        logits = functional.pad(logits, (0, -size % DRAW_BLOCK), value=-torch.inf)
    return logits.view(n, -1, DRAW_BLOCK)
