"""Several networks as one: the mean of their scores, in one product with the catalogue."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from crs_agents.retriever.network import SIGNALS, DualView, Inputs


class Ensemble:
    """The mean score of networks over one catalogue.

    Since a score is linear in the queries and gates, the mean of `m` networks is one product with a table of all their
    item vectors, and one weight a signal.

    Args:
        networks: All of one shape.
        documents: `(n_items, document_width)` reduced encodings of the item documents.
        log_popularity: `(n_items,)`.
        same_catalog: It is the catalogue of the training.
    """

    def __init__(
        self, networks: Sequence[DualView], documents: Tensor, log_popularity: Tensor, *, same_catalog: bool
    ) -> None:
        self._networks = networks
        self._items = [
            network.item_vectors(documents, log_popularity, same_catalog=same_catalog) for network in networks
        ]
        columns = [
            part for items in self._items for part in (items.semantic, items.collaborative, items.popularity[:, None])
        ]
        self._table = torch.cat(columns, dim=1).T.contiguous()  # (m * (2 * dim + 1), n_items)
        shape = networks[0].shape
        self._reads = [networks[0].reads(name) for name in SIGNALS]
        self._semantic = float(shape.views != "collaborative")

    def __call__(self, batch: Inputs) -> Tensor:
        """`(b, n_items)` mean scores."""
        asked = []
        gates = torch.zeros(len(batch.films), len(SIGNALS) + 1)
        for network, items in zip(self._networks, self._items, strict=True):
            queries = network.queries(batch, items)
            asked += [self._semantic * queries.semantic, queries.collaborative, queries.gates[:, -1:]]
            gates += queries.gates
        share = 1 / len(self._networks)
        scores = (share * torch.cat(asked, dim=1)) @ self._table
        for place, reads in enumerate(self._reads):
            if reads:
                scores.addcmul_(batch.signals[place], gates[:, place : place + 1], value=share)
        return scores
