"""The network: two views of a dialogue, each a set of tokens with a summary that attends to both; a score an item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from crs_agents.retriever.contexts import AGES, MESSAGES, OPINIONS, ROLES

Views = Literal["both", "semantic", "collaborative"]

SIGNALS: Final = ("ease", "stated", "likeness")
"""Scores that are counted, not learned (`signals.py`); the network says how much each counts in this dialogue."""

_FIRST_GATES: Final = (0.5, 0.5, 1.5, 1.0)
"""The weights, before a softplus, of the signals and of popularity that a training begins with."""

_FIRST_SPREAD: Final = 0.02
"""The standard deviation of embeddings before training."""


@dataclass(frozen=True)
class NetworkShape:
    """What a network is built from.

    Attributes:
        n_items: Items of the catalogue that it is trained on.
        text_width: Numbers of a message's encoding, reduced.
        document_width: Numbers of an item document's encoding, reduced.
        dim: Width of the network.
        heads: Attention heads.
        dropout: The share of numbers that are left out in training.
        views: Which views it has.
        cross_attention: Whether each view attends to the other, too.
    """

    n_items: int
    text_width: int
    document_width: int
    dim: int = 128
    heads: int = 4
    dropout: float = 0.2
    views: Views = "both"
    cross_attention: bool = True


@dataclass(frozen=True, eq=False)
class Inputs:
    """A batch of `b` dialogues, as `crs_agents.retriever.contexts.Contexts` has them.

    Attributes:
        texts: `(b, MESSAGES, text_width)` float32 reduced encodings, 0 where there is no message.
        has_text: `(b, MESSAGES)` bool.
        text_roles: `(b, MESSAGES)` int64.
        films: `(b, FILMS)` int64, 0 where there is none.
        has_film: `(b, FILMS)` bool.
        film_roles: `(b, FILMS)` int64.
        film_ages: `(b, FILMS)` int64.
        film_opinions: `(b, FILMS)` int64.
        signals: `(len(SIGNALS), b, n_items)` float32.
    """

    texts: Tensor
    has_text: Tensor
    text_roles: Tensor
    films: Tensor
    has_film: Tensor
    film_roles: Tensor
    film_ages: Tensor
    film_opinions: Tensor
    signals: Tensor


@dataclass(frozen=True, eq=False)
class ItemVectors:
    """A catalogue, as the network sees it.

    Attributes:
        semantic: `(n_items, dim)` from the item's document.
        collaborative: `(n_items, dim)` learned for the item, plus a part from its document.
        popularity: `(n_items,)` the logarithm of its mentions, with what was learned of it.
    """

    semantic: Tensor
    collaborative: Tensor
    popularity: Tensor


@dataclass(frozen=True, eq=False)
class Queries:
    """What a network asks of the catalogue.

    Attributes:
        semantic: `(b, dim)`.
        collaborative: `(b, dim)`.
        gates: `(b, len(SIGNALS) + 1)`, positive: what each signal counts and, last, popularity.
    """

    semantic: Tensor
    collaborative: Tensor
    gates: Tensor


class View(nn.Module):
    """One view: its summary token attends to its own tokens and, with cross-attention, to the other view's."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        dim = shape.dim
        self.summary = nn.Parameter(torch.randn(1, 1, dim) * _FIRST_SPREAD)
        self.norm = nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, shape.heads, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.GELU(), nn.Dropout(shape.dropout), nn.Linear(2 * dim, dim)
        )
        self.last_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(shape.dropout)
        self.query = nn.Linear(dim, dim)

    def tokens(self, tokens: Tensor) -> Tensor:
        """`(b, 1 + t, dim)`: the summary token before `(b, t, dim)` tokens."""
        return self.norm(torch.cat([self.summary.expand(len(tokens), -1, -1), self.dropout(tokens)], dim=1))  # type: ignore[no-any-return]

    def forward(self, own: Tensor, seen: Tensor, mask: Tensor) -> Tensor:
        """`(b, dim)` what the summary token of `own` makes of the tokens `seen` (b, s, dim), where `mask` (b, s)."""
        first = own[:, :1]  # (b, 1, dim)
        state = first + self.attention(first, seen, seen, key_padding_mask=~mask, need_weights=False)[0]
        state = state + self.feed_forward(state)
        return self.dropout(self.last_norm(state[:, 0]))  # type: ignore[no-any-return]


class DualView(nn.Module):
    """Scores the whole catalogue: two queries times two kinds of item vector, plus gated signals and popularity.

    `score_i = q_s . S_i + q_c . C_i + sum_j gate_j * signal_ji + gate_p * popularity_i`, where the gates are positive
    and depend on the dialogue, so a user who says much of genres gets other weights than one who names films.

    Args:
        shape: Its sizes.
    """

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        dim = shape.dim
        self.shape = shape
        self.semantic, self.collaborative = View(shape), View(shape)
        self.text = nn.Linear(shape.text_width, dim)
        self.text_roles = _embedding(ROLES, dim)
        self.text_places = _embedding(MESSAGES, dim)
        self.items = _embedding(shape.n_items, dim)
        self.items_from_document = nn.Linear(shape.document_width, dim)
        self.film_roles = _embedding(ROLES, dim)
        self.film_ages = _embedding(AGES, dim)
        self.film_opinions = _embedding(OPINIONS, dim)
        self.document = nn.Linear(shape.document_width, dim)
        self.popularity = nn.Parameter(torch.zeros(shape.n_items))
        self.gates = nn.Linear(2 * dim, len(SIGNALS) + 1)
        nn.init.zeros_(self.gates.weight)
        self.gates.bias.data = torch.tensor(_FIRST_GATES)

    def item_vectors(self, documents: Tensor, log_popularity: Tensor, *, same_catalog: bool = True) -> ItemVectors:
        """The catalogue's vectors; constant as long as the weights are.

        Args:
            documents: `(n_items, document_width)` reduced encodings.
            log_popularity: `(n_items,)` the logarithm of how often train dialogues mention each item.
            same_catalog: It is the catalogue of the training; of any other only the documents tell.
        """
        views = self.shape.views if same_catalog else "semantic"
        vectors = torch.zeros(len(documents), self.shape.dim)
        if views != "semantic":
            vectors = vectors + self.items.weight
        if views != "collaborative":
            vectors = vectors + self.items_from_document(documents)
        popularity = log_popularity + self.popularity if same_catalog else log_popularity
        return ItemVectors(self.document(documents), vectors, popularity)

    def forward(self, batch: Inputs, items: ItemVectors) -> Tensor:
        """`(b, n_items)` scores."""
        queries = self.queries(batch, items)
        scores = queries.collaborative @ items.collaborative.T  # (b, n_items)
        if self.shape.views != "collaborative":
            scores = scores + queries.semantic @ items.semantic.T
        scores = scores + queries.gates[:, -1:] * items.popularity
        for place, name in enumerate(SIGNALS):
            if self.reads(name):
                scores = scores + queries.gates[:, place : place + 1] * batch.signals[place]
        return scores

    def queries(self, batch: Inputs, items: ItemVectors) -> Queries:
        """What the network makes of the dialogues, before any item is scored."""
        views = self.shape.views
        texts = self.text(batch.texts) + self.text_roles(batch.text_roles) + self.text_places.weight
        films = items.collaborative[batch.films] + self.film_roles(batch.film_roles)
        films = films + self.film_ages(batch.film_ages) + self.film_opinions(batch.film_opinions)
        semantic, collaborative = self.semantic.tokens(texts), self.collaborative.tokens(films)
        own_text = _with_summary(batch.has_text & (views != "collaborative"))  # (b, 1 + MESSAGES)
        own_film = _with_summary(batch.has_film)  # (b, 1 + FILMS)
        if self.shape.cross_attention and views == "both":
            seen, mask = torch.cat([semantic, collaborative], dim=1), torch.cat([own_text, own_film], dim=1)
            of_texts, of_films = self.semantic(semantic, seen, mask), self.collaborative(collaborative, seen, mask)
        else:
            of_texts = self.semantic(semantic, semantic, own_text)
            of_films = self.collaborative(collaborative, collaborative, own_film)
        gates = softplus(self.gates(torch.cat([of_texts, of_films], dim=1)))
        return Queries(self.semantic.query(of_texts), self.collaborative.query(of_films), gates)

    def reads(self, signal: str) -> bool:
        """Whether its views have a signal."""
        return self.shape.views in ("both", _VIEW_OF[signal])


_VIEW_OF: Final = {"ease": "collaborative", "stated": "semantic", "likeness": "semantic"}


def _embedding(n: int, dim: int) -> nn.Embedding:
    embedding = nn.Embedding(n, dim)
    nn.init.normal_(embedding.weight, std=_FIRST_SPREAD)
    return embedding


def _with_summary(mask: Tensor) -> Tensor:
    """The mask with a place for the summary token, which is always there."""
    return torch.cat([mask.new_ones(len(mask), 1), mask], dim=1)
