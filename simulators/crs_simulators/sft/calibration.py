"""Fitting what the user thinks of a film: the weights of alignment and of the language model's own log-odds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from scipy.optimize import minimize

from crs_gym.catalog import Catalog
from crs_gym.errors import LanguageModelError
from crs_gym.lm import READ, Prompt
from crs_gym.numeric import DoubleArray
from crs_gym.popularity import PopularityMatcher
from crs_gym.randomness import generator
from crs_gym.simulator import Seeker
from crs_gym.task import Dialogue, Profile
from crs_gym.worlds import World
from crs_simulators.sft import prompts
from crs_simulators.sft.alignment import FEATURES, FILE, Weights, alignment_of
from crs_simulators.sft.decisions import WORDS, pleasing
from crs_simulators.sft.examples import liked_suggestions

BATCH: Final = 64
"""Prompts that are read together."""

PENALTY: Final = 1e-4
"""Of the squared weights, after scaling: only keeps them finite."""


PLEASING: Final = 0.02
"""The share of the catalogue that is above a seeker's bar (our choice: a slate of ten films drawn blindly holds one
that pleases in a fifth of all cases)."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A film that a seeker liked, and one of the same popularity that nobody mentioned.

    Attributes:
        seeker: The dialogue before the film was brought up.
        liked: The one.
        other: The other.
    """

    seeker: Seeker
    liked: int
    other: int


def calibrate(adapter: Path, base: Path, world: World, held_out: int) -> None:
    """Fit the weights of a trained adapter's views, and write them beside it.

    Nothing is written where the world's valid split holds no such film.

    Args:
        adapter: The adapter's folder.
        base: The model's folder.
        world: The corpus that it was trained on.
        held_out: How many pairs of the valid split the model is weighed on.
    """
    from crs_gym.lm.transformers_model import TransformersModel

    model = TransformersModel(base, adapter=adapter)

    def log_odds(seekers: Sequence[Seeker], items: Sequence[int]) -> DoubleArray:
        asked = [
            Prompt((*map(prompts.context_line, seeker.context), prompts.film_line(1, item, world.catalog), READ))
            for seeker, item in zip(seekers, items, strict=True)
        ]
        found: list[DoubleArray] = []
        for start in range(0, len(asked), BATCH):
            for read in model.read(asked[start : start + BATCH], WORDS):
                if isinstance(read, LanguageModelError):
                    raise read
                found.append(read)
        return pleasing(np.concatenate(found))

    learned = list(pairs(world.dialogues("train"), world.catalog))
    examined = list(pairs(world.dialogues("valid"), world.catalog))
    chosen = [examined[i * len(examined) // held_out] for i in range(held_out)] if examined else []
    if learned and chosen:
        weights = fit(learned, list(dict.fromkeys(chosen)), world.catalog, log_odds)
        (adapter / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(weights), indent=1) + b"\n")


def pairs(dialogues: Sequence[Dialogue], catalog: Catalog, seed: int = 0) -> Iterator[Pair]:
    """Each film that a recommender brought up and the seeker liked, with a match."""
    matcher = PopularityMatcher(catalog)
    for dialogue in dialogues:
        rng = generator(seed, "pairs", dialogue.dialogue_id)
        avoid = {*dialogue.labels, *(item for message in dialogue.messages for item in message.items)}
        for place, film in liked_suggestions(dialogue):
            other = matcher.match(film, rng, avoid)
            if other is not None:
                yield Pair(Seeker(dialogue.messages[:place], Profile(), 0), film, other)


def fit(
    train: Sequence[Pair],
    held_out: Sequence[Pair],
    catalog: Catalog,
    log_odds: Callable[[Sequence[Seeker], Sequence[int]], DoubleArray],
) -> Weights:
    """Weights of the features, fitted on many pairs; then of these and the model, on pairs that it was not trained on.

    Args:
        train: Pairs of the train split: the features cost nothing.
        held_out: Pairs of dialogues that the model has not seen: on its own train data it would seem better than it is.
        catalog: The films.
        log_odds: `(n,)` the model's log-odds that the `i`-th seeker likes the `i`-th film.
    """
    alignment = alignment_of(catalog)

    def features(some: Sequence[Pair]) -> DoubleArray:
        """`(2 * len(some), len(FEATURES))`: those that please first."""
        heard = [alignment.heard(pair.seeker.context) for pair in some]
        both = [alignment.features(h, (pair.liked, pair.other)) for h, pair in zip(heard, some, strict=True)]
        return np.concatenate([np.array([one[side] for one in both]) for side in (0, 1)])

    weights, _ = _regression(features(train))
    fits = features(held_out) @ weights
    seekers = [pair.seeker for pair in held_out]
    of_model = np.concatenate(
        [log_odds(seekers, [pair.liked for pair in held_out]), log_odds(seekers, [pair.other for pair in held_out])]
    )
    (scale, model), bias = _regression(np.stack([fits, of_model], axis=1))
    drawn = [int(generator(index, "any film").integers(len(catalog))) for index in range(len(held_out))]
    heard = [alignment.heard(seeker.context) for seeker in seekers]
    fits_any = np.array([alignment.features(h, (film,))[0] for h, film in zip(heard, drawn, strict=True)]) @ weights
    any_film = scale * fits_any + model * log_odds(seekers, drawn) + bias
    scaled = dict(zip(FEATURES, (float(weight * scale) for weight in weights), strict=True))
    bar = float(np.quantile(any_film, 1.0 - PLEASING))
    return Weights(features=scaled, model=float(model), bias=float(bias), bar=bar)


def _regression(columns: DoubleArray) -> tuple[DoubleArray, float]:
    """Weights and bias of a logistic regression; the first half of the rows are positive, the second negative."""
    signs = np.repeat([1.0, -1.0], len(columns) // 2)
    mean, deviation = columns.mean(axis=0), np.maximum(columns.std(axis=0), 1e-9)
    scaled = np.column_stack([(columns - mean) / deviation, np.ones(len(columns))])

    def loss(weights: DoubleArray) -> tuple[float, DoubleArray]:
        margins = signs * (scaled @ weights)
        slope = -signs / (1.0 + np.exp(np.minimum(margins, 500.0)))
        value = np.logaddexp(0.0, -margins).mean() + PENALTY * float(weights @ weights)
        return float(value), scaled.T @ slope / len(scaled) + 2.0 * PENALTY * weights

    found = minimize(loss, np.zeros(scaled.shape[1]), jac=True).x
    weights = found[:-1] / deviation
    return weights, float(found[-1] - weights @ mean)
