"""From the model's probabilities to what the user does. Read from probabilities, never from prose.

A film pleases with probability `p(yes) + p(seen)`, read at the film's own line. What the user does then is drawn
between the two lines of action that are left: to take the film or to go on talking, to say no or to leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit

from crs_gym.numeric import DoubleArray
from crs_gym.randomness import generator
from crs_gym.turns import Decision
from crs_simulators.sft import prompts

WORDS: Final = tuple(dict.fromkeys((*prompts.VIEWS, *prompts.DECISIONS)))
"""All words that are read, each once."""

YES, SEEN, NO = prompts.VIEWS
ACCEPT, LIKE, _, DISLIKE, ANSWER, LEAVE = prompts.DECISIONS

_VIEWS: Final = [WORDS.index(word) for word in prompts.VIEWS]


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user does.

    Attributes:
        word: One of `prompts.DECISIONS`.
        item: The film that it is about; `None` if there is none.
        number: Its place in the slate, from 1.
    """

    word: str
    item: int | None = None
    number: int | None = None

    @property
    def decision(self) -> Decision:
        """What the engine is told."""
        return {ACCEPT: Decision.ACCEPT, LEAVE: Decision.LEAVE}.get(self.word, Decision.CONTINUE)


def pleasing(logs: DoubleArray) -> DoubleArray:
    """`(n,)` the model's log-odds that films please, from `(n, len(WORDS))` log-probabilities at their lines."""
    yes, seen, no = logs[:, _VIEWS].T
    return np.asarray(np.logaddexp(yes, seen) - no)


def view_probabilities(logs: DoubleArray, odds: DoubleArray) -> DoubleArray:
    """What the user may think of films.

    Args:
        logs: `(n, len(WORDS))` log-probabilities at the films' lines: they say what it has seen of what pleases.
        odds: `(n,)` log-odds that the films please.

    Returns:
        `(n, 3)`: yes, seen, no; they sum to 1.
    """
    yes, seen, _ = logs[:, _VIEWS].T
    please, share = expit(odds), expit(seen - yes)
    return np.stack([please * (1.0 - share), please * share, 1.0 - please], axis=1)


def choose(
    items: Sequence[int], views: DoubleArray, turn: DoubleArray, key: int, number_of_turn: int, eagerness: float
) -> Choice:
    """What the user does with a slate.

    Args:
        items: The films that are new to it, in their order.
        views: `(len(items), 3)`, see `view_probabilities`.
        turn: `(len(WORDS),)` log-probabilities where its line begins.
        key: Keys the draws: the same user thinks the same of a film on the same turn, whatever else it is shown.
        number_of_turn: Counts the recommender's turns.
        eagerness: Added to the log-odds of taking a film that pleases, against going on.
    """
    best: tuple[float, int] | None = None
    seen: tuple[float, int] | None = None
    for place, (item, view) in enumerate(zip(items, views, strict=True)):
        luck = float(generator(key, "view", number_of_turn, item).random())
        if luck < view[0]:
            best = max(best or (0.0, -1), (float(view[0]), place))
        elif luck < view[0] + view[1]:
            seen = max(seen or (0.0, -1), (float(view[1]), place))
    if best is not None:
        word, place = _either(ACCEPT, LIKE, turn, key, number_of_turn, eagerness), best[1]
    elif seen is not None:
        return Choice(prompts.DECISIONS[2], items[seen[1]], seen[1] + 1)
    elif items:
        word, place = _either(LEAVE, DISLIKE, turn, key, number_of_turn), 0
    else:
        return Choice(_either(LEAVE, ANSWER, turn, key, number_of_turn))
    return Choice(word, items[place], place + 1) if word != LEAVE else Choice(word)


def _either(first: str, second: str, logs: DoubleArray, key: int, number_of_turn: int, lean: float = 0.0) -> str:
    """One of two words, drawn by their probabilities relative to each other."""
    odds = logs[WORDS.index(first)] - logs[WORDS.index(second)] + lean
    return first if generator(key, "decision", number_of_turn).random() < expit(odds) else second
