"""From the model's probabilities of three words to what the seeker does.

An untrained model answers "yes" to nearly everything, or "no": its bent for a word says nothing about a film. So what
it answers is held against what it answers to the same question about no film in particular, in the same dialogue
(contextual calibration, Zhao et al. 2021, arXiv 2102.09690): a recommender that flatters shifts both alike. The bent
is replaced by stated base rates.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from crs_gym.numeric import DoubleArray
from crs_gym.randomness import generator

YES, SEEN, NO = range(3)
"""Columns of a view, as in `prompts.ANSWERS`."""

BASE_RATES: Final = (0.10, 0.15, 0.75)
"""How often a seeker would watch a film, has seen and likes it, or neither, before the model is asked (our choice).

At 0.25 for the first, users of a small model found something to like on 22 of 24 slates of 10 random films."""

LEAVES: Final = 0.05
"""How often a seeker whom the turn did not please ends the dialogue, before the model is asked (our choice)."""

LEAST: Final = -20.0
"""Stands for the logarithm of a probability too small to be told; a server lists the most probable words only."""


class Kind(Enum):
    """What the seeker does on a turn."""

    ACCEPT = "accept"
    LIKE = "like"
    SEEN = "seen"
    DISLIKE = "dislike"
    ANSWER = "answer"
    LEAVE = "leave"
    CONFUSED = "confused"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the seeker does, and the film that it is about; `None` where it is about none."""

    kind: Kind
    item: int | None = None


@dataclass(frozen=True, slots=True)
class Slate:
    """What is shown, and what the seeker thinks of it.

    Attributes:
        items: The films shown, best first.
        known: Those that the seeker has named or was told of before the game, or has in its profile.
        new: Those that may be accepted, in the order of `views`: neither known nor shown before.
        views: `(len(new), 3)` the probability of each view of a new film; rows sum to 1.
    """

    items: tuple[int, ...]
    known: frozenset[int]
    new: tuple[int, ...]
    views: DoubleArray


def calibrated(read: DoubleArray, neutral: DoubleArray, rates: tuple[float, ...], temperature: float) -> DoubleArray:
    """Probabilities of answers: base rates, shifted by how much more probable than otherwise the model holds each.

    Args:
        read: `(n, m)` natural logarithms of the probabilities of `m` answers.
        neutral: `(m,)` the same for the question that tells the model's bent.
        rates: `m` base rates.
        temperature: Divides the shift.

    Returns:
        `(n, m)` float64; rows sum to 1.
    """
    shift = np.maximum(read, LEAST) - np.maximum(neutral, LEAST)
    logits = np.log(np.asarray(rates)) + shift / temperature
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True))


def choose(slate: Slate, leave: float, threshold: float, key: int, turn: int) -> Choice:
    """What the seeker does on a turn that it understood.

    Of the new films that it would watch (a draw for each, keyed by the film: its place on the slate and what stands
    beside it change nothing) it takes the one that it would most probably watch: accepts it if that probability reaches
    `threshold`, else likes it and goes on. If there is none it speaks of the film on top.

    Args:
        slate: What it is shown.
        leave: The probability that it ends the dialogue if nothing pleases it.
        threshold: See above.
        key: The episode's.
        turn: The number of this turn.
    """
    draws = [generator(key, "zero-shot", turn, "view", item).random() for item in slate.new]
    liked = [(view[YES], -i) for i, (view, draw) in enumerate(zip(slate.views, draws, strict=True)) if draw < view[YES]]
    if liked:
        probability, i = max(liked)
        return Choice(Kind.ACCEPT if probability >= threshold else Kind.LIKE, slate.new[-i])
    if generator(key, "zero-shot", turn, "leave").random() < leave:
        return Choice(Kind.LEAVE)
    if not slate.items:
        return Choice(Kind.ANSWER)
    top = slate.items[0]
    if top in slate.new:
        i = slate.new.index(top)
        seen = draws[i] < slate.views[i][YES] + slate.views[i][SEEN]
    else:
        seen = top in slate.known
    return Choice(Kind.SEEN if seen else Kind.DISLIKE, top)
