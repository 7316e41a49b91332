"""Weights of a Llama that copies in context: "A B C … A B" is followed by C. Two layers, wired and not learned.

It is the circuit that language models form by themselves (Olsson et al. 2022, "In-context Learning and Induction
Heads", arXiv 2209.11895), here for several words at once. In layer 0 each head looks so many places back as its number
says, and writes the word there beside the word itself. Layer 1 looks for places before which the same words stand as
here, the last ones counting most, and writes the word of that place, louder than the own one, for the output to name.
All else is random and quiet, and everything goes on to learn.

The stream has three parts: one coordinate that all tokens have in common, the word's own up to the half of the width,
and one for each word before. How a head looks a fixed number of places back with rotary positions: queries and keys
come from the common coordinate, so a score depends on the distance alone, and keys are turned by that distance, so it
is greatest there. How a head compares words over any distance: in pairs of coordinates that turn slowly, and hardly
know of places. Numbers are our choice, set by how many words of lessons are right before any is learned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import torch

ROPE_THETA: Final = 1e8
"""The base of the rotary positions: more than half of the pairs turn slowly."""

COMMON: Final = 8.0
"""What a token has in the common coordinate, in units of 1 / sqrt(width); its word's own part has length 1."""

LOOKING_BACK: Final = 12.0
LOOKING_FOR_WORDS: Final = 4.0
"""How sharp the attention is: factors of queries and keys."""

BEFORE: Final = 2.0
"""How loud the words before are, by a word's own embedding."""

FADING: Final = 0.7
"""How much less a word counts in a comparison than the one behind it."""

NAMING: Final = 3.0
"""How loud the found word is, by a word's own embedding."""

QUIET: Final = 0.1
"""The factor of all that is random and adds to the stream."""

_FAST: Final = 0.02
_SLOW: Final = 1e-3
"""Radians a place: pairs above the first tell places from each other; those below the second do not."""


@torch.no_grad()
def wire(model: Any, alike: Sequence[tuple[int, int]] = ()) -> None:
    """Set the weights.

    Args:
        model: A Llama with tied embeddings, at least two layers, as many key heads as heads, and `ROPE_THETA`.
        alike: Pairs of tokens that begin with embeddings alike.
    """
    width, heads = model.config.hidden_size, model.config.num_attention_heads
    head, layers = width // heads, model.model.layers
    theta = ROPE_THETA ** (-torch.arange(head // 2) / (head // 2))  # radians a place, by pair
    norm = _embed(model.model.embed_tokens.weight, alike)
    common = COMMON / norm  # what the normalised stream has in the common coordinate
    half, part = width // 2, width // 2 // heads  # coordinates for the word itself, and for each word before
    tell = torch.zeros(part, width)  # enough of a word to tell it by
    tell[:, 1:half] = torch.linalg.qr(torch.randn(half - 1, part))[0].T

    fast = (theta > _FAST).float() * LOOKING_BACK / common
    query, key, value, out = torch.zeros(4, width, width)
    for number in range(heads):
        first, second = number * head, number * head + head // 2  # transformers pairs coordinate i with i + half
        query[first:second, 0] = fast
        key[first:second, 0] = fast * (theta * (number + 1)).cos()
        key[second : first + head, 0] = fast * (theta * (number + 1)).sin()
        value[first : first + part] = tell
        before = half + number * part
        out[before : before + part, first : first + part] = torch.eye(part) * BEFORE * norm / math.sqrt(width)
    _set(layers[0].self_attn, query, key, value, out)

    slow = (theta < _SLOW).nonzero()[:, 0]
    within = torch.cat([slow, slow + head // 2])
    places = torch.split(torch.eye(width)[half:], part)
    reads = [tell, *(place / BEFORE for place in places)]  # what reads the word so many places before
    query, key, value, out = torch.zeros(4, width, width)
    for number in range(heads):
        first = number * head
        for back in range(heads):
            look = torch.randn(len(within), part) / math.sqrt(part) * LOOKING_FOR_WORDS * FADING**back
            query[first + within] += look @ reads[back]
            key[first + within] += look @ reads[back + 1]
        named = (first % half) + torch.arange(head)  # this head's share of the word
        value[first + torch.arange(head), named] = 1.0
        out[named, first + torch.arange(head)] = NAMING
    value[:, 0] = 0.0
    _set(layers[1].self_attn, query, key, value, out)

    for number, layer in enumerate(layers):
        layer.mlp.down_proj.weight.mul_(QUIET)
        if number > 1:
            layer.self_attn.o_proj.weight.mul_(QUIET)


def _embed(embedding: torch.Tensor, alike: Sequence[tuple[int, int]]) -> float:
    """Random embeddings of one length in the word's own coordinates, and the common one; the norm of them all."""
    half, width = embedding.shape[1] // 2, embedding.shape[1]
    embedding.normal_()
    for one, other in alike:
        embedding[one] = embedding[one] + embedding[other]
    embedding[:, 0] = 0.0
    embedding[:, half:] = 0.0
    embedding /= embedding.norm(dim=1, keepdim=True)
    embedding[:, 0] = COMMON / math.sqrt(width)
    return math.sqrt(1 + COMMON**2 / width)


def _set(attention: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, out: torch.Tensor) -> None:
    noise = 0.002  # so that no two heads learn alike
    attention.q_proj.weight.copy_(query + noise * torch.randn_like(query))
    attention.k_proj.weight.copy_(key + noise * torch.randn_like(key))
    attention.v_proj.weight.copy_(value)
    attention.o_proj.weight.copy_(out)
