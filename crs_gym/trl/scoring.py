"""Log-probabilities and entropies at the places that count.

A dialogue policy writes a small part of a sequence; the rest it reads. trl computes the head, which is much of the work
for a small model with a large vocabulary, at every place, or (with Triton) at every place of the completion; here it
runs at those that were written. What several rows read alike is computed once (`branches.py`), and what is of similar
length together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

import torch
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache
from trl.kernels import ChunkedLogProbFunction

from crs_gym.trl.branches import Branch, branches_of

Kept = list[tuple[torch.Tensor, torch.Tensor]]
"""For each layer `(heads, length, width)` keys and values of all that was read up to the end of a branch."""

VOCABULARY: Final = 8_192
"""Tokens of the vocabulary that are computed together (our choice: what is between passes stays small)."""

ALIKE: Final = 1.3
"""How much longer than its shortest row the longest one of a part may be (our choice: on a CPU padding costs as much as
words; the dialogues of a group differ by their number of turns)."""

SHARED: Final = 32
"""The fewest tokens that are worth a pass of their own before rows part (our choice)."""

_NOT_PLAIN: Final = (
    "final_logit_softcapping",
    "logit_scale",
    "output_multiplier",
    "lm_head_multiplier",
    "logits_scaling",
    "num_experts",
    "num_local_experts",
)
"""What a configuration calls other heads, and experts, whose balance has a loss of its own."""


def has_plain_head(config: Any) -> bool:
    """Whether the logits of a model are its head's product, and nothing else is asked of a pass."""
    text = config.get_text_config()
    return all(getattr(text, name, None) in (None, 1.0) for name in _NOT_PLAIN)


def scores(
    model: Any, ids: torch.Tensor, attention: torch.Tensor, written: torch.Tensor, temperature: float, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Score tokens under a model.

    Args:
        model: A causal language model, with adapters or wrapped for several devices.
        ids: `(batch, length)` tokens, with padding on either side.
        attention: `(batch, length)`, 0 where there is padding.
        written: `(batch, length)` bool: which tokens to score; never the first of a row.
        temperature: Divides the logits.
        size: How many rows are computed together at most.

    Returns:
        `(batch, length)` float32 log-probabilities in nats, and entropies of the distributions that the tokens are
        from; 0 elsewhere.
    """
    logs = torch.zeros(ids.shape, device=ids.device)
    entropies = torch.zeros_like(logs)
    if not written.any():
        written = written.clone()
        written[0, attention[0].nonzero()[-1]] = True  # a pass takes part in the gradient, with a weight of 0
    read = attention.bool() & _read(written)
    before = (read.int().argmax(dim=1) + 1).tolist()  # a column less this: the place from which its token is read
    rows = [row[places] for row, places in zip(ids, read, strict=True)]
    branches = branches_of([row.tolist() for row in rows], SHARED if _may_go_on(model) else ids.shape[1])
    columns = [places.nonzero()[:, 0].tolist() for places in written]
    head = getattr(model, "module", model).get_output_embeddings()
    kept: dict[Branch, Kept] = {}
    for part in _parts(branches, size):
        hidden = _hidden(model, head, part, rows, kept)
        scored = [
            (number, row, column, column - before[row] - branch.start)
            for number, branch in enumerate(part)
            for row in branch.rows
            for column in columns[row]
            if branch.start <= column - before[row] < branch.end
        ]
        if not scored:
            continue
        own, row, column, place = torch.tensor(scored, device=ids.device).T
        found, entropy, *_ = ChunkedLogProbFunction.apply(  # type: ignore[no-untyped-call]
            hidden[own, place],
            head.weight,
            head.bias,
            ids[row, column],
            temperature,
            VOCABULARY,
            None,
            1.0,
            ("entropy",),
        )
        logs, entropies = logs.index_put((row, column), found), entropies.index_put((row, column), entropy)
    return logs, entropies


def _read(written: torch.Tensor) -> torch.Tensor:
    """`(batch, length)` bool: up to the place from which a row's last token is scored; nothing where none is."""
    return functional.pad(written[:, 1:], (0, 1)).flip(1).cummax(dim=1).values.flip(1)


def _may_go_on(model: Any) -> bool:
    """Whether a pass may go on from keys and values that another one computed, gradients and all."""
    bare = getattr(model, "module", model)
    layers = getattr(bare.config.get_text_config(), "layer_types", None) or ["full_attention"]
    recomputed = any(getattr(module, "gradient_checkpointing", False) for module in bare.modules())  # without a cache
    return set(layers) == {"full_attention"} and not recomputed


def _parts(branches: Sequence[Branch], size: int) -> Iterator[list[Branch]]:
    """Up to `size` branches that can be computed together: none goes on from another, and their lengths are alike."""
    order = sorted(branches, key=lambda branch: (branch.depth, branch.length))
    part: list[Branch] = []
    for branch in order:
        fits = part and branch.depth == part[0].depth and branch.length <= ALIKE * part[0].length
        if part and (not fits or len(part) == size):
            yield part
            part = []
        part.append(branch)
    yield part


def _hidden(
    model: Any, head: torch.nn.Module, part: Sequence[Branch], rows: Sequence[torch.Tensor], kept: dict[Branch, Kept]
) -> torch.Tensor:
    """`(branches, length, width)` what goes into the head; what others go on from is kept.

    Args:
        model: The model.
        head: Its head.
        part: What is computed.
        rows: The tokens of each row.
        kept: Keys and values of the branches that come before; those of this part are added.
    """
    device = rows[0].device
    ids = pad_sequence([rows[branch.row][branch.start : branch.end] for branch in part], batch_first=True)
    most = max(branch.start for branch in part)  # columns of what was read before, which ends at the same one in all
    starts = torch.tensor([branch.start for branch in part], device=device)[:, None]
    ends = torch.tensor([branch.end for branch in part], device=device)[:, None]
    positions = torch.arange(-most, ids.shape[1], device=device) + starts
    attention = ((positions >= 0) & (positions < ends)).long()
    keeps = most > 0 or any(branch.grows for branch in part)
    cache = DynamicCache() if keeps else None
    for layer in range(len(kept[part[0].parent]) if part[0].parent is not None else 0):
        before = [kept[cast("Branch", branch.parent)][layer] for branch in part]
        keys, values = (torch.stack([_behind(side, most) for side in sides]) for sides in zip(*before, strict=True))
        cast("DynamicCache", cache).update(keys, values, layer)
    with _before(head) as seen:
        model(
            input_ids=ids,
            attention_mask=attention,
            position_ids=positions[:, most:].clamp(max=int(ends.max()) - 1),
            past_key_values=cache,
            use_cache=keeps,
        )
    for number, branch in enumerate(part):
        if branch.grows and cache is not None:
            own = slice(most - branch.start, most - branch.start + branch.end)
            kept[branch] = [
                (layer.keys[number, :, own], layer.values[number, :, own]) for layer in cast("Any", cache.layers)
            ]
    return seen[0]


def _behind(kept: torch.Tensor, columns: int) -> torch.Tensor:
    """`(heads, columns, width)` from `(heads, length, width)`, zeros in front."""
    return functional.pad(kept, (0, 0, columns - kept.shape[1], 0))


@contextmanager
def _before(head: torch.nn.Module) -> Iterator[list[torch.Tensor]]:
    """What goes into a head, which itself computes one place a row."""
    seen: list[torch.Tensor] = []

    def keep(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        seen.append(inputs[0])
        return (inputs[0][:, :1],)

    handle = head.register_forward_pre_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()
