"""`ScriptedModel`: a language model without weights, for tests: given lines, probabilities and failures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Final

import numpy as np

from crs_gym.errors import LanguageModelError
from crs_gym.lm.interface import Chat, Generation, Prompt, Read, Sampling, until_stop
from crs_gym.numeric import DoubleArray
from crs_gym.randomness import derived_key

Writer = Callable[[Prompt | Chat], str]
Odds = Callable[[Prompt | Chat, Sequence[str]], Sequence[float]]

DEFAULT_LINES: Final = ("Tell me more.", "What else is there?", "I have seen that one.", "No, thanks.")

LEAST: Final = 1e-30
"""The probability that stands for 0, so that logarithms stay finite."""


class ScriptedModel:
    """Says given lines, with given probabilities.

    Args:
        lines: Texts, of which a row's key picks one; or a function from a prompt to its text.
        odds: Probabilities by word; or a function from a prompt and the words to their probabilities, the same at each
            place of a prompt. A word that the mapping lacks has none. Uniform over the words when left out.
        failing: Which rows fail in which call: from the number of a call (from 0, `read` and `generate` counted
            together) to its rows; `None` for all of them.
        revision: See `LanguageModel`.

    Attributes:
        asked: The prompts of each call so far.
    """

    def __init__(
        self,
        lines: Sequence[str] | Writer = DEFAULT_LINES,
        *,
        odds: Mapping[str, float] | Odds | None = None,
        failing: Mapping[int, Collection[int] | None] | None = None,
        revision: str = "scripted-1",
    ) -> None:
        if not callable(lines) and (isinstance(lines, str) or not lines):
            raise ValueError("lines: needs a sequence of one text at least, or a function")
        self._lines = lines
        self._odds = odds
        self._failing = dict(failing or {})
        self._revision = revision
        self.asked: list[tuple[Prompt | Chat, ...]] = []

    @property
    def revision(self) -> str:
        """As given."""
        return self._revision

    def read(
        self, prompts: Sequence[Prompt | Chat], words: Sequence[str], *, slots: Sequence[Hashable] | None = None
    ) -> list[DoubleArray | LanguageModelError]:
        """See `LanguageModel`."""
        del slots
        if len(set(words)) < len(words):
            raise ValueError(f"the words {', '.join(map(repr, words))} cannot all be told by their first tokens")
        errors = self._begin(prompts)
        return [errors.get(i) or self._read(prompt, words) for i, prompt in enumerate(prompts)]

    def _read(self, prompt: Prompt | Chat, words: Sequence[str]) -> DoubleArray:
        """`(n_reads, n_words)`."""
        if self._odds is None:
            odds: Sequence[float] = [1.0 / len(words)] * len(words)
        elif isinstance(self._odds, Mapping):
            odds = [self._odds.get(word, 0.0) for word in words]
        else:
            odds = self._odds(prompt, words)
        row = np.array(odds, np.float64)
        if row.shape != (len(words),) or not (row >= 0.0).all() or row.sum() > 1.0 + 1e-9:
            raise ValueError(f"odds: {odds} are no probabilities of {len(words)} words")
        reads = 1 if isinstance(prompt, Chat) else sum(isinstance(part, Read) for part in prompt.parts)
        return np.tile(np.log(np.maximum(row, LEAST)), (reads, 1))

    def generate(
        self,
        prompts: Sequence[Prompt | Chat],
        sampling: Sampling,
        keys: Sequence[int],
        *,
        slots: Sequence[Hashable] | None = None,
    ) -> list[Generation | LanguageModelError]:
        """See `LanguageModel`. A word counts as a token."""
        del slots
        pairs = list(zip(prompts, keys, strict=True))
        errors = self._begin(prompts)
        return [errors.get(i) or self._generate(*pair, sampling) for i, pair in enumerate(pairs)]

    def _generate(self, prompt: Prompt | Chat, key: int, sampling: Sampling) -> Generation:
        if callable(self._lines):
            text = self._lines(prompt)
        else:
            text = self._lines[derived_key(key, "scripted") % len(self._lines)]
        text, _ = until_stop(text, sampling.stop)
        words = text.split(" ")
        return Generation(" ".join(words[: sampling.max_tokens]), len(words) <= sampling.max_tokens)

    def forget(self, slots: Sequence[Hashable]) -> None:
        """Nothing is kept."""

    def _begin(self, prompts: Sequence[Prompt | Chat]) -> dict[int, LanguageModelError]:
        """Count a call; the rows that fail in it."""
        call = len(self.asked)
        self.asked.append(tuple(prompts))
        rows = self._failing.get(call, ())
        return {
            i: LanguageModelError(f"scripted to fail: row {i} of call {call}")
            for i in (range(len(prompts)) if rows is None else rows)
        }
