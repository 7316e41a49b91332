"""The training of one network, contrastive: a softmax over the whole catalogue for each dialogue.

That is InfoNCE with all items as negatives, so every hard negative is in every batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import log_softmax

from crs_agents.retriever.contexts import NOTHING, Contexts
from crs_agents.retriever.examples import Examples
from crs_agents.retriever.network import DualView, Inputs, NetworkShape
from crs_agents.retriever.signals import Signals
from crs_gym.randomness import derived_key, generator

CUTOFFS: Final = (1, 10, 50)
_WARM_UP: Final = 100
"""Updates over which the learning rate rises."""
_LAST_RATE: Final = 0.02
"""What is left of the learning rate at the end of its cosine."""
_NOT_THIS: Final = -1e4
"""The score of a film that was named: no weight in the softmax, and no infinity in its gradient."""
_SCORED_AT_ONCE: Final = 256

Watch = Callable[[int, int, float], None]
"""Called as `watch(update, updates, loss)` after each update."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast is learned; see `crs_agents.retriever.trainer.RetrieverTraining`."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    seed: int


@dataclass(frozen=True, eq=False)
class Corpus:
    """A world as tensors.

    Attributes:
        signals: Of the world.
        texts: `(n_texts, text_width)` float32 reduced encodings of the messages.
        documents: `(n_items, document_width)` float32 reduced encodings of the items.
        log_popularity: `(n_items,)` float32.
    """

    signals: Signals
    texts: Tensor
    documents: Tensor
    log_popularity: Tensor


def inputs_of(contexts: Contexts, texts: Tensor, signals: NDArray[np.float32]) -> Inputs:
    """A batch for the network: `texts` holds the reduced encodings of `contexts.texts`."""
    messages = torch.from_numpy(contexts.messages)
    films = torch.from_numpy(contexts.films)
    has_text = messages != NOTHING
    empty = texts.new_zeros(1, texts.shape[1])  # a dialogue, or all of them, may have no message
    table = texts if len(texts) else empty
    return Inputs(
        texts=table[messages.clamp(min=0)] * has_text[..., None],
        has_text=has_text,
        text_roles=torch.from_numpy(contexts.message_roles),
        films=films.clamp(min=0),
        has_film=films != NOTHING,
        film_roles=torch.from_numpy(contexts.film_roles),
        film_ages=torch.from_numpy(contexts.film_ages),
        film_opinions=torch.from_numpy(contexts.film_opinions),
        signals=torch.from_numpy(signals),
    )


def train_network(
    shape: NetworkShape, corpus: Corpus, examples: Examples, schedule: Schedule, watch: Watch
) -> DualView:
    """Train a network; the same arguments give the same network, on one machine with as many threads."""
    with torch.random.fork_rng(devices=[]):  # first weights and dropout draw from torch's global generator
        torch.manual_seed(derived_key("retriever", schedule.seed) % 2**63)
        network = DualView(shape)
        _learn(network, corpus, examples, schedule, watch)
    return network.eval()


def _learn(network: DualView, corpus: Corpus, examples: Examples, schedule: Schedule, watch: Watch) -> None:
    n = len(examples)
    updates = schedule.epochs * math.ceil(n / schedule.batch_size)
    matrices = [weight for weight in network.parameters() if weight.ndim > 1]
    vectors = [weight for weight in network.parameters() if weight.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": schedule.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=schedule.learning_rate,
    )
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda update: _rate(update, updates))
    order = generator(derived_key("retriever order", schedule.seed))
    update = 0
    for _ in range(schedule.epochs):
        shuffled = order.permutation(n)
        for start in range(0, n, schedule.batch_size):
            rows = np.sort(shuffled[start : start + schedule.batch_size])
            loss = _loss(network, corpus, examples, rows)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            rate.step()
            update += 1
            watch(update, updates, loss.item())


def _rate(update: int, updates: int) -> float:
    """The share of the learning rate at an update: a linear rise, then a cosine."""
    return min(1.0, (update + 1) / _WARM_UP) * max(_LAST_RATE, 0.5 * (1 + math.cos(math.pi * update / updates)))


def _loss(network: DualView, corpus: Corpus, examples: Examples, rows: NDArray[np.int64]) -> Tensor:
    """The mean cross-entropy of the targets, each against all items that were not named."""
    scores = _scores(network, corpus, examples, rows)  # (b, n_items)
    scores = scores.index_put(_places([examples.named[row] for row in rows]), torch.tensor(_NOT_THIS))
    return -log_softmax(scores, dim=1)[_places([examples.targets[row] for row in rows])].mean()


def _scores(network: DualView, corpus: Corpus, examples: Examples, rows: NDArray[np.int64]) -> Tensor:
    contexts = examples.contexts.rows(rows)
    ease = None if examples.ease is None else examples.ease[rows].astype(np.float32)
    inputs = inputs_of(contexts, corpus.texts, corpus.signals(contexts, ease))
    return network(inputs, network.item_vectors(corpus.documents, corpus.log_popularity))  # type: ignore[no-any-return]


def _places(items: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
    """Row and column of each item, in a table with a row for each tuple."""
    rows = np.repeat(np.arange(len(items)), [len(row) for row in items])
    columns = np.array([item for row in items for item in row], np.int64)
    return torch.from_numpy(rows), torch.from_numpy(columns)


@torch.inference_mode()
def target_places(networks: Sequence[DualView], corpus: Corpus, examples: Examples) -> NDArray[np.int64]:
    """`(n_targets,)` how many new items stand above each target, by the mean score of the networks."""
    places = []
    for start in range(0, len(examples), _SCORED_AT_ONCE):
        rows = np.arange(start, min(start + _SCORED_AT_ONCE, len(examples)))
        scores = torch.stack([_scores(network, corpus, examples, rows) for network in networks]).mean(dim=0)
        scores[_places([examples.named[row] for row in rows])] = -torch.inf
        row, item = _places([examples.targets[row] for row in rows])
        places.append((scores[row] > scores[row, item][:, None]).sum(dim=1).numpy())
    return np.concatenate(places)


def recall(places: NDArray[np.int64]) -> dict[str, float]:
    """Recall at each cutoff, in percent."""
    return {f"recall@{k}": 100 * float((places < k).mean()) for k in CUTOFFS}
