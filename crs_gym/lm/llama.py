"""The forward pass of models of the Llama family, with as few steps as it takes.

transformers' modules are general: some sixty small operations a layer, of which each costs microseconds before it
computes. A single row of a small model spends half of its time on them. Here the projections that read the same input
are one product, and what lies between the products is written in the fewest passes. The weights are the modules' own,
so the model stays what it was for whoever uses the modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.nn import functional

from crs_gym.lm.cache import BatchCache

_CLASSES: Final = ("LlamaForCausalLM",)
"""What is computed here: the names of transformers' classes."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """The weights of one layer; projections are `(outputs, inputs)`."""

    norm_before_attention: torch.Tensor
    queries_keys_values: torch.Tensor
    attention_out: torch.Tensor
    norm_before_mlp: torch.Tensor
    gate_and_up: torch.Tensor
    mlp_out: torch.Tensor


def is_llama(model: Any) -> bool:
    """Whether `LlamaForward` computes what transformers would compute with this model."""
    config = model.config
    return (
        type(model).__name__ in _CLASSES
        and config.hidden_act == "silu"
        and not any(name.endswith(".bias") for name, _ in model.named_parameters())
    )


class LlamaForward:
    """One pass over new tokens of several rows.

    Args:
        model: A model that `is_llama`. Projections that are fused here become views of the fused weights.
        min_rows: The fewest rows of a product, see `crs_gym.lm.decoding`.
    """

    def __init__(self, model: Any, min_rows: int) -> None:
        config = model.config
        self._min_rows = min_rows
        self._heads: int = config.num_attention_heads
        self._key_heads: int = config.num_key_value_heads
        self._epsilon: float = config.rms_norm_eps
        self._embedding = model.model.embed_tokens.weight
        self._head = model.get_output_embeddings().weight
        self._norm = model.model.norm.weight
        self._rotary = model.model.rotary_emb
        self._layers = [
            _Layer(
                layer.input_layernorm.weight,
                _fused(layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj),
                layer.self_attn.o_proj.weight,
                layer.post_attention_layernorm.weight,
                _fused(layer.mlp.gate_proj, layer.mlp.up_proj),
                layer.mlp.down_proj.weight,
            )
            for layer in model.model.layers
        ]
        self._scaling: float = model.model.layers[0].self_attn.scaling

    def __call__(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor,
        cache: BatchCache,
        places: tuple[torch.Tensor, torch.Tensor],
    ) -> torch.Tensor:
        """Logits at some places.

        Args:
            ids: `(batch, new)` tokens.
            positions: `(batch, new)`.
            mask: `(batch, 1, new, columns)`, added to the scores.
            cache: Its columns are written at `positions`.
            places: The rows and the columns of `ids` whose logits are wanted.

        Returns:
            `(places, vocabulary)`.
        """
        batch, new = ids.shape
        heads, key_heads = self._heads, self._key_heads
        group = heads // key_heads
        hidden = functional.embedding(ids, self._embedding).view(batch * new, -1)
        cos, sin = self._rotary(hidden, positions)  # (batch, new, width), both halves the same
        width = cos.shape[-1]
        cos, sin = cos[:, :, None], torch.cat((-sin[..., : width // 2], sin[..., width // 2 :]), -1)[:, :, None]
        mask = mask[:, :, None].expand(batch, key_heads, group, new, -1).reshape(batch * key_heads, group * new, -1)
        for number, layer in enumerate(self._layers):
            seen = self._product(self._normed(hidden, layer.norm_before_attention), layer.queries_keys_values)
            seen = seen.view(batch, new, heads + 2 * key_heads, width)
            turned = seen[:, :, : heads + key_heads]
            turned = torch.addcmul(turned * cos, turned.roll(width // 2, -1), sin)  # rotary position embedding
            keys, values = cache.extended(
                number, turned[:, :, heads:].transpose(1, 2), seen[:, :, heads + key_heads :].transpose(1, 2)
            )
            queries = turned[:, :, :heads].transpose(1, 2).reshape(batch * key_heads, group * new, width)
            scores = torch.baddbmm(mask, queries, keys.flatten(0, 1).transpose(1, 2), alpha=self._scaling)
            mixed = torch.bmm(torch.softmax(scores, dim=-1), values.flatten(0, 1))
            mixed = mixed.view(batch, heads, new, width).transpose(1, 2).reshape(batch * new, heads * width)
            hidden = hidden.add_(self._product(mixed, layer.attention_out))
            gate, up = self._product(self._normed(hidden, layer.norm_before_mlp), layer.gate_and_up).chunk(2, dim=-1)
            hidden = hidden.add_(self._product(functional.silu(gate).mul_(up), layer.mlp_out))
        wanted = hidden.view(batch, new, -1)[places]
        return self._product(self._normed(wanted, self._norm), self._head)

    def _product(self, rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """`(rows, outputs)`, of `(rows, inputs)` and `(outputs, inputs)`."""
        if 0 < len(rows) < self._min_rows:
            return functional.linear(rows.repeat(self._min_rows, 1), weight)[: len(rows)]
        return functional.linear(rows, weight)

    def _normed(self, hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Each row divided by its root mean square, in float32, times a weight."""
        exact = hidden.float()
        square = torch.linalg.vector_norm(exact, dim=-1, keepdim=True).square_()
        scale = square.div_(hidden.shape[-1]).add_(self._epsilon).rsqrt_()
        return torch.mul((exact * scale).to(hidden.dtype), weight)


def _fused(*projections: Any) -> torch.Tensor:
    """The weights of some projections, one below the other; the projections become views of them."""
    fused = torch.cat([projection.weight.data for projection in projections])
    for projection, part in zip(
        projections, torch.split(fused, [len(projection.weight) for projection in projections]), strict=True
    ):
        projection.weight.data = part
    return fused
