"""Training examples as tokens: what is learned, where, and with which weight. Needs a tokenizer and no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crs_gym.errors import TrainingError
from crs_simulators.sft import prompts
from crs_simulators.sft.examples import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED: Final = -100
"""A label that is not learned (torch's and transformers' convention)."""

ANSWER_WEIGHT: Final = 4.0
"""Weight of a decision in the loss, beside 1 for a word (our choice: there are eight decisions and ninety words in an
example, and a decision is what the game turns on)."""


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """An example as tokens; three columns of the same length.

    Attributes:
        input_ids: What stands there.
        labels: What is learned to be read at that place, from the places before it; `IGNORED` for nothing. Words and
            decisions are learned where they stand. A view is not written out: its label differs from what stands there.
        loss_weights: How much that counts: 1 for a word, `ANSWER_WEIGHT` for a view or decision, 0 for nothing.
    """

    input_ids: list[int]
    labels: list[int]
    loss_weights: list[float]


def tokenize(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens of a text in which nothing is read as a special token."""
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])


def encode(example: Example, tokenizer: PreTrainedTokenizerBase, max_length: int) -> EncodedExample:
    """Tokens of an example, segment by segment, cut at `max_length`.

    An answer is learned at the place of the first token behind its segment.
    """
    ids: list[int] = []
    labels: list[int] = []
    weights: list[float] = []
    answer: str | None = None
    for segment in example:
        tokens = tokenize(segment.text, tokenizer)
        place = len(ids)
        ids += tokens
        labels += tokens if segment.learn else [IGNORED] * len(tokens)
        weights += [float(segment.learn)] * len(tokens)
        if answer is not None:
            labels[place], weights[place] = tokenize(answer, tokenizer)[0], ANSWER_WEIGHT
        answer = segment.answer
    return EncodedExample(ids[:max_length], labels[:max_length], weights[:max_length])


def encode_all(
    examples: Iterable[Example], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> list[EncodedExample]:
    """Those examples that teach something within `max_length` tokens."""
    encoded = (encode(example, tokenizer, max_length) for example in examples)
    return [row for row in encoded if any(label != IGNORED for label in row.labels[1:])]


def view_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The first tokens of `prompts.VIEWS`, by which they are read.

    Raises:
        TrainingError: The tokenizer begins two views, or two decisions, with the same token.
    """
    _first_tokens(prompts.DECISIONS, tokenizer)
    return _first_tokens(prompts.VIEWS, tokenizer)


def _first_tokens(words: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    first = tuple(tokenize(word, tokenizer)[0] for word in words)
    if len(set(first)) < len(words):
        raise TrainingError(
            f"the tokenizer of this base model begins two of {', '.join(map(repr, words))} with the same token, so an "
            "answer cannot be read from one place. Way out: choose another --base"
        )
    return first
