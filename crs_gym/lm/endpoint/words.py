"""From what a server tells of the next token to the log-probabilities of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.errors import LanguageModelError
from crs_gym.numeric import DoubleArray

LEAST_LEFT: Final = 1e-9
"""What is left for all other tokens where the top ones round to 1."""

WRITTEN_SHARE: Final = 0.9
"""The probability of the word that a model wrote, where a server gives no probabilities (our choice)."""


def from_top(top: Mapping[str, float], names: Sequence[Sequence[str]]) -> DoubleArray:
    """Log-probabilities of words out of those of the most probable tokens.

    A word that is not among them gets at most an equal share of what they leave, and no more than the least of them.

    Args:
        top: Tokens, as the server writes them, and their log-probabilities.
        names: For each of `n` words, how the server may write its first token, best first.

    Returns:
        `(n,)` float64; the exponentials sum to at most 1.

    Raises:
        LanguageModelError: None of the words is among the tokens, so nothing is known of them.
    """
    found = [next((top[name] for name in known if name in top), None) for known in names]
    missing = found.count(None)
    if missing == len(found):
        shown = ", ".join(repr(token) for token in list(top)[:5])
        raise LanguageModelError(
            f"none of the words is among the {len(top)} most probable next tokens ({shown}, …): does the prompt ask "
            "for one of them, and is each one token of this model?"
        )
    left = max(1.0 - sum(np.exp(value) for value in top.values()), LEAST_LEFT)
    floor = min(*top.values(), float(np.log(left / max(missing, 1))))
    values: NDArray[Any] = np.array([floor if value is None else value for value in found], np.float64)
    values -= max(float(np.logaddexp.reduce(values)), 0.0)  # rounded, they may sum to above 1
    return values


def from_text(text: str, words: Sequence[str]) -> DoubleArray:
    """Log-probabilities made of the one word that a model wrote: `WRITTEN_SHARE` for it, the rest for the others.

    A stand-in: how sure the model was is not known.

    Returns:
        `(len(words),)` float64; the exponentials sum to at most 1.

    Raises:
        LanguageModelError: The text begins with none of the words.
    """
    said = text.strip().casefold()
    begun = [word for word in words if _begins(said, word.strip().casefold())]
    if not begun:
        raise LanguageModelError(
            f"this server gives no log-probabilities, and the text that it wrote, {text[:40]!r}, begins with none of "
            f"the words {', '.join(repr(word.strip()) for word in words)}: use a server that gives them (vLLM does)"
        )
    written = max(begun, key=len)
    rest = (1.0 - WRITTEN_SHARE) / max(len(words) - 1, 1)
    return np.log(np.array([WRITTEN_SHARE if word == written else rest for word in words], np.float64))


def _begins(said: str, word: str) -> bool:
    """`said` begins with the whole of `word`."""
    return said.startswith(word) and not said[len(word) : len(word) + 1].isalnum()
