"""Attention for a few queries over many kept keys, as transformers' models call it.

Heads that share their keys are computed in one product, without copies of the keys. With one query a row this is what
decoding spends its time on: PyTorch's fused kernel takes three times as long there, copies twice.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from transformers import AttentionInterface

NAME: Final = "crs_grouped"


def grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention with shared keys.

    Args:
        module: Not used.
        query: `(batch, query_heads, queries, width)`.
        key: `(batch, key_heads, keys, width)`.
        value: As `key`.
        attention_mask: `(batch, 1, queries, keys)`, added to the scores.
        scaling: Multiplies the scores.

    Returns:
        `(batch, queries, query_heads, width)`, and nothing in the place of the weights.
    """
    del module
    batch, query_heads, queries, width = query.shape
    key_heads = key.shape[1]
    group = query_heads // key_heads
    stacked = (query * scaling).reshape(batch, key_heads, group * queries, width)
    scores = torch.matmul(stacked, key.transpose(2, 3))  # (batch, key_heads, group * queries, keys)
    scores = scores.view(batch, key_heads, group, queries, -1) + attention_mask[:, :, None]
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype)
    mixed = torch.matmul(weights.view(batch, key_heads, group * queries, -1), value)
    return mixed.view(batch, query_heads, queries, width).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, grouped_attention)
