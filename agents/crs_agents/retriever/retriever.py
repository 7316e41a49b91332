"""The trained retriever: from observations to a score for every item of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch.nn.functional import log_softmax

from crs_agents.retriever.contexts import MESSAGES, ContextReader
from crs_agents.retriever.documents import item_documents
from crs_agents.retriever.encodings import cached_encodings
from crs_agents.retriever.ensemble import Ensemble
from crs_agents.retriever.network import DualView
from crs_agents.retriever.saved import SavedRetriever, load_retriever
from crs_agents.retriever.signals import Signals
from crs_agents.retriever.training import inputs_of
from crs_gym.agent import Observation
from crs_gym.catalog import Catalog
from crs_gym.lm.sentence_encoder import SentenceEncoder
from crs_gym.numeric import FloatArray, as_float32
from crs_gym.worlds.world import World

BLOCK: Final = 64
"""Dialogues that the network reads at once. Every block has this size, filled up where it must be, so that the sums of
a row have one order whatever stands beside it: a dialogue's scores do not depend on its batch."""


class Retriever:
    """Scores items for dialogues.

    Over the catalogue that it was trained on it has both views. Over any other it has the semantic view, the world's
    popularity and, where the world has train dialogues, EASE^R fitted to them.

    Args:
        saved: What was trained.
        world: What is recommended from.
        encoder: The sentence encoder; by default the one that it was trained with.

    Attributes:
        catalog: The world's.
        both_views: Whether this is the catalogue of the training.
        ease_floor: What EASE's scores are measured in; see `signals.log_signal`.
    """

    def __init__(self, saved: SavedRetriever, world: World, encoder: SentenceEncoder | None = None) -> None:
        self.catalog: Catalog = world.catalog
        self.both_views = world.catalog.fingerprint == saved.catalog_fingerprint
        self._saved = saved
        self._encoder = encoder or SentenceEncoder(saved.encoder)
        self._reader = ContextReader(world.catalog)
        self._signals = Signals(world)
        self.ease_floor = self._signals.floor
        documents = saved.document(cached_encodings(self._encoder, item_documents(world.catalog)))
        self._documents = torch.from_numpy(documents)
        self._ensemble = self._together(saved.networks)

    def with_networks(self, networks: Sequence[DualView]) -> Retriever:
        """The same retriever with some of its networks alone; all else is shared."""
        other = copy(self)
        other._ensemble = self._together(networks)
        return other

    @torch.inference_mode()
    def _together(self, networks: Sequence[DualView]) -> Ensemble:
        popularity = torch.from_numpy(log_popularity(self.catalog))
        return Ensemble(networks, self._documents, popularity, same_catalog=self.both_views)

    @classmethod
    def load(cls, directory: Path | str, world: World) -> Retriever:
        """The retriever that `crs-gym train retriever --out DIR` left in `directory`, for a world.

        Raises:
            WeightsError: The folder holds none, or the sentence encoder is not on this machine.
        """
        return cls(load_retriever(Path(directory).expanduser()), world)

    def __call__(self, observations: Sequence[Observation]) -> FloatArray:
        """The same as `scores`."""
        return self.scores(observations)

    @torch.inference_mode()
    def scores(self, observations: Sequence[Observation], ease: FloatArray | None = None) -> FloatArray:
        """`(n, n_items)` float32 log-probabilities of the item that comes next, named ones included.

        Args:
            observations: `n` dialogues.
            ease: `(n, n_items)` EASE's signal for them, where it is not that of a new dialogue.
        """
        out = np.empty((len(observations), len(self.catalog)), np.float32)
        for start in range(0, len(observations), BLOCK):
            block = slice(start, start + BLOCK)
            asked = observations[block]
            out[block] = self._block(asked, None if ease is None else ease[block])[: len(asked)]
        return out

    def _block(self, observations: Sequence[Observation], ease: FloatArray | None) -> FloatArray:
        contexts = self._reader(observations)
        encodings = np.zeros((BLOCK * MESSAGES, self._encoder.width), np.float16)
        encodings[: len(contexts.texts)] = self._encoder.remembered(contexts.texts)
        texts = self._saved.text(encodings)
        filled_up = [*range(len(contexts)), *[0] * (BLOCK - len(contexts))]
        filled = contexts.rows(filled_up)
        signals = self._signals(filled, None if ease is None else ease[filled_up])
        batch = inputs_of(filled, torch.from_numpy(texts), signals)
        return as_float32(log_softmax(self._ensemble(batch), dim=1).numpy())


def log_popularity(catalog: Catalog) -> FloatArray:
    """`(n_items,)` float32 the logarithm of how often train dialogues mention each item, and half a time more."""
    return as_float32(np.log(catalog.popularity + np.float32(0.5)))
