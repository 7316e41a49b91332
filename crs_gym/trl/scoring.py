"""Log-probabilities and entropies at the places that count.

A dialogue policy writes a small part of a sequence; the rest it reads. trl computes the head, which is much of the work
for a small model with a large vocabulary, at every place, or (with Triton) at every place of the completion; here it
runs at those that were written. Rows of similar length are computed together, without columns that are padding in all,
and a row that goes on as another one does is read off that: members of a group often do what another one did.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch.nn import functional
from trl.kernels import ChunkedLogProbFunction

VOCABULARY: Final = 8_192
"""Tokens of the vocabulary that are computed together (our choice: what is between passes stays small)."""

ALIKE: Final = 1.3
"""How much longer than its shortest row the longest one of a part may be (our choice: on a CPU padding costs as much as
words; the dialogues of a group differ by their number of turns)."""

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
    attention = attention * _read(written)
    hosts = _hosts(ids, attention.bool())
    attention = attention * (hosts == torch.arange(len(hosts), device=ids.device))[:, None]
    row, column = written.nonzero(as_tuple=True)
    head = getattr(model, "module", model).get_output_embeddings()
    for rows in _alike(attention.sum(dim=1), size):
        there = attention[rows].any(dim=0).nonzero()[:, 0]
        first, end = int(there[0]), int(there[-1]) + 1
        hidden = _hidden(model, head, ids[rows, first:end], attention[rows, first:end])
        of, own = (hosts[row][:, None] == rows).nonzero(as_tuple=True)  # tokens that are read off these rows
        place = (row[of], column[of])
        found, entropy, *_ = ChunkedLogProbFunction.apply(  # type: ignore[no-untyped-call]
            hidden[own, column[of] - 1 - first],  # a token is read from the place before it
            head.weight,
            head.bias,
            ids[place],
            temperature,
            VOCABULARY,
            None,
            1.0,
            ("entropy",),
        )
        logs, entropies = logs.index_put(place, found), entropies.index_put(place, entropy)
    return logs, entropies


def _read(written: torch.Tensor) -> torch.Tensor:
    """`(batch, length)` bool: up to the place from which a row's last token is scored; nothing where none is."""
    return functional.pad(written[:, 1:], (0, 1)).flip(1).cummax(dim=1).values.flip(1)


def _hosts(ids: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
    """`(batch,)` for each row the longest one that reads the same wherever the row itself reads.

    Args:
        ids: `(batch, length)` tokens.
        read: `(batch, length)` bool: which of them each row reads.
    """
    hosts = torch.arange(len(ids), device=ids.device)
    for row in torch.argsort(read.sum(dim=1), stable=True):  # the longest one comes last, and has the last word
        within = (~read | (read[row] & (ids == ids[row]))).all(dim=1)
        hosts[within] = row
    return hosts


def _alike(lengths: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
    """Numbers of rows that are not empty, the shortest first, in parts of up to `size` whose lengths are alike."""
    order = torch.argsort(lengths, stable=True)
    order = order[lengths[order] > 0]
    first, told = 0, lengths[order].tolist()
    for end in range(1, len(told) + 1):
        if end == len(told) or end - first == size or told[end] > ALIKE * told[first]:
            yield order[first:end]
            first = end


def _hidden(model: Any, head: torch.nn.Module, ids: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
    """`(rows, length, width)` what goes into the head."""
    with _before(head) as seen:
        model(input_ids=ids, attention_mask=attention, use_cache=False)
    return seen[0]


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
