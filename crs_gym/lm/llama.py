"""Models of the Llama family, computed with as few steps and copies as it takes.

transformers' modules are general: some sixty small operations a layer, each of which costs microseconds before it
computes, on rows that are padded to the longest. A single row of a small model spends half of its time on the former,
64 dialogues of different lengths on the latter. Here the projections that read the same input are one product, a
prefill runs over the tokens of all rows without padding, each attending to its own slot in place, and rows of similar
length decode side by side. The weights are the modules' own, so the model stays what it was for whoever uses them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.nn import functional

from crs_gym.lm.cache import MASKED, Columns, KeyShape, Slot, in_blocks

_CLASSES: Final = ("LlamaForCausalLM",)
"""What is computed here: the names of transformers' classes."""

PREFILL_TOKENS: Final = 2_048
"""Tokens of one pass (our choice: larger products are no faster on a CPU)."""

ALIKE: Final = 0.7
"""Rows decode side by side where the shortest has at least this share of the longest's columns (our choice: a further
group costs a few small operations a layer, a padded column its share of memory traffic)."""

Attend = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""From a layer's number, `(tokens, heads, width)` queries, and `(tokens, key_heads, width)` keys and values, to
`(tokens, heads * width)` mixed values."""


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
    """See `Forward`.

    Args:
        model: A model that `is_llama`, on a CPU. Projections that are fused here become views of the fused weights.
        shape: Of its keys and values.
        min_rows: The fewest rows of a product, see `crs_gym.lm.decoding`.
    """

    def __init__(self, model: Any, shape: KeyShape, min_rows: int) -> None:
        config = model.config
        self.shape = shape
        self._min_rows = min_rows
        self._heads: int = config.num_attention_heads
        self._epsilon: float = config.rms_norm_eps
        self._embedding = model.model.embed_tokens.weight
        self._head = model.get_output_embeddings().weight
        self._norm = model.model.norm.weight
        self._rotary = model.model.rotary_emb
        self._scaling: float = model.model.layers[0].self_attn.scaling
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

    def prefill(
        self, slots: Sequence[Slot], new: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]
    ) -> list[torch.Tensor]:
        """See `Forward.prefill`."""
        logits: list[torch.Tensor] = []
        start = 0
        while start < len(slots):
            end, tokens = start + 1, len(new[start])
            while end < len(slots) and tokens + len(new[end]) <= PREFILL_TOKENS:
                tokens += len(new[end])
                end += 1
            logits += self._prefill(slots[start:end], new[start:end], wanted[start:end])
            start = end
        return logits

    def rows(self, slots: Sequence[Slot], room: int) -> LlamaRows:
        """See `Forward.rows`."""
        return LlamaRows(self, slots, room)

    def _prefill(
        self, slots: Sequence[Slot], new: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]
    ) -> Sequence[torch.Tensor]:
        """One pass. Slots count what is new when all of it is there, so a failure leaves them as they were."""
        spans: list[tuple[slice, slice, torch.Tensor, torch.Tensor]] = []
        at: list[int] = []
        first = 0
        for slot, tokens, places in zip(slots, new, wanted, strict=True):
            start, end = len(slot.tokens), len(slot.tokens) + len(tokens)
            kept = slot.with_room(len(tokens), self.shape)
            unseen = torch.arange(in_blocks(end)) > torch.arange(start, end)[:, None]
            mask = self.mask(unseen[None])[0].expand(self._heads // self.shape.heads, -1, -1).flatten(0, 1)
            spans.append((slice(first, first + len(tokens)), slice(start, end), kept, mask[None]))
            at += [first + place for place in places]
            first += len(tokens)

        def attend(number: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
            mixed = torch.empty(len(queries), queries[0].numel(), dtype=queries.dtype)
            for here, there, kept, mask in spans:
                side = kept[number]  # (2, heads, capacity, width)
                side[0, :, there] = keys[here].transpose(0, 1)
                side[1, :, there] = values[here].transpose(0, 1)
                side = side[:, :, : mask.shape[-1]]
                grouped = self.grouped(queries[here]).permute(1, 2, 0, 3)
                found = self.attended(grouped.flatten(1, 2), side[0], side[1], mask)
                mixed[here] = found.view(grouped.shape).permute(2, 0, 1, 3).reshape(grouped.shape[2], -1)
            return mixed

        ids = torch.tensor([token for tokens in new for token in tokens])
        positions = torch.cat([torch.arange(there.start, there.stop) for _, there, _, _ in spans])
        logits = self.logits(ids, positions, attend, torch.tensor(at, dtype=torch.long))
        for slot, tokens in zip(slots, new, strict=True):
            slot.tokens.extend(tokens)
        return torch.split(logits, [len(places) for places in wanted])

    def logits(
        self, ids: torch.Tensor, positions: torch.Tensor, attend: Attend, at: torch.Tensor | None = None
    ) -> torch.Tensor:
        """`(at, vocabulary)` logits behind `(tokens,)` ids at `(tokens,)` positions; `at` is all of them by default."""
        heads, key_heads, width = self._heads, self.shape.heads, self.shape.width
        hidden = functional.embedding(ids, self._embedding)
        cos, sin = self._rotary(hidden, positions[None])  # (1, tokens, width), both halves the same
        cos, sin = cos[0, :, None], sin[0, :, None]
        sin = torch.cat((-sin[..., : width // 2], sin[..., width // 2 :]), dim=-1)
        for number, layer in enumerate(self._layers):
            seen = self._product(self._normed(hidden, layer.norm_before_attention), layer.queries_keys_values)
            seen = seen.view(len(ids), heads + 2 * key_heads, width)
            turned = seen[:, : heads + key_heads]
            turned = torch.addcmul(turned * cos, turned.roll(width // 2, -1), sin)  # rotary position embedding
            mixed = attend(number, turned[:, :heads], turned[:, heads:], seen[:, heads + key_heads :])
            hidden = hidden.add_(self._product(mixed, layer.attention_out))
            gate, up = self._product(self._normed(hidden, layer.norm_before_mlp), layer.gate_and_up).chunk(2, dim=-1)
            hidden = hidden.add_(self._product(functional.silu(gate).mul_(up), layer.mlp_out))
        return self._product(self._normed(hidden if at is None else hidden[at], self._norm), self._head)

    def attended(
        self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """`(n, queries, width)` values, mixed by the queries' scores of the keys.

        Args:
            queries: `(n, queries, width)`.
            keys: `(n, columns, width)`.
            values: As `keys`.
            mask: `(n or 1, queries or 1, columns)`, added to the scores.
        """
        scores = torch.baddbmm(mask, queries, keys.transpose(1, 2), alpha=self._scaling)
        return torch.bmm(torch.softmax(scores, dim=-1), values)

    def grouped(self, queries: torch.Tensor) -> torch.Tensor:
        """`(tokens, heads, width)` as `(tokens, key_heads, group, width)`: those that share their keys together."""
        return queries.view(len(queries), self.shape.heads, -1, self.shape.width)

    def mask(self, unseen: torch.Tensor) -> torch.Tensor:
        """What is added to scores."""
        return torch.zeros(unseen.shape, dtype=self.shape.dtype).masked_fill_(unseen, MASKED)

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


class LlamaRows:
    """See `Rows`: rows of similar length stand in one group, whose columns are computed together."""

    def __init__(self, forward: LlamaForward, slots: Sequence[Slot], room: int) -> None:
        self._forward = forward
        self._groups: list[Columns] = []
        by_length = sorted(range(len(slots)), key=lambda row: -len(slots[row].tokens))
        group: dict[int, Slot] = {}
        longest = 0
        for row in by_length:
            columns = in_blocks(len(slots[row].tokens) + room)
            if group and columns < ALIKE * longest:
                self._groups.append(Columns(group, forward.shape, room))
                group = {}
            longest = longest if group else columns
            group[row] = slots[row]
        self._groups.append(Columns(group, forward.shape, room))

    @property
    def going(self) -> list[int]:
        """See `Rows.going`."""
        return [row for group in self._groups for row in group.rows]

    def end(self, row: int, tokens: Sequence[int]) -> None:
        """See `Rows.end`."""
        next(group for group in self._groups if row in group.rows).end(row, tokens)
        self._groups = [group for group in self._groups if group.rows]

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """See `Rows.step`."""
        forward, heads = self._forward, self._forward.shape.heads
        positions = torch.tensor([length for group in self._groups for length in group.lengths])
        spans: list[tuple[slice, Columns, torch.Tensor]] = []
        first = 0
        for group in self._groups:
            here = slice(first, first + len(group.rows))
            unseen = torch.arange(group.width) > positions[here, None]
            mask = forward.mask(unseen)[:, None].expand(-1, heads, -1).reshape(-1, 1, group.width)
            spans.append((here, group, mask))
            first = here.stop

        def attend(number: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
            mixed = []
            for here, group, mask in spans:
                all_keys, all_values = group.extended(number, keys[here], values[here])
                grouped = forward.grouped(queries[here]).flatten(0, 1)
                found = forward.attended(grouped, all_keys.flatten(0, 1), all_values.flatten(0, 1), mask)
                mixed.append(found.view(len(group.rows), -1))
            return torch.cat(mixed) if len(mixed) > 1 else mixed[0]

        logits = forward.logits(torch.tensor(tokens), positions, attend)
        for group in self._groups:
            group.added()
        return logits


def _fused(*projections: Any) -> torch.Tensor:
    """The weights of some projections, one below the other; the projections become views of them."""
    fused = torch.cat([projection.weight.data for projection in projections])
    parts = torch.split(fused, [len(projection.weight) for projection in projections])
    for projection, part in zip(projections, parts, strict=True):
        projection.weight.data = part
    return fused
