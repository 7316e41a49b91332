"""Lessons as tokens: all is read, what the policy writes is learned. Needs a tokenizer and no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crs_agents.smtpo.lessons import Lesson
from crs_agents.smtpo.prompts import END_OF_LINE

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED: Final = -100
"""A label that is not learned (torch's and transformers' convention)."""


@dataclass(frozen=True, slots=True)
class EncodedLesson:
    """A lesson as tokens; both columns have the same length.

    Attributes:
        input_ids: What stands there.
        labels: The same where it is learned, else `IGNORED`.
    """

    input_ids: list[int]
    labels: list[int]


def encode(lesson: Lesson, tokenizer: PreTrainedTokenizerBase, max_length: int) -> EncodedLesson:
    """The turns of a lesson as far as they fit whole into `max_length` tokens, piece by piece as the agent reads them.

    The line break that ends a text is learned, too.
    """
    ids: list[int] = []
    labels: list[int] = []
    for piece, text in lesson.turns:
        read, written = tokens_of(piece, tokenizer), tokens_of(text + END_OF_LINE, tokenizer)
        if len(ids) + len(read) + len(written) > max_length:
            break
        ids += read + written
        labels += [IGNORED] * len(read) + written
    return EncodedLesson(ids, labels)


def encode_all(lessons: Iterable[Lesson], tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[EncodedLesson]:
    """The lessons of which at least one turn fits."""
    encoded = (encode(lesson, tokenizer, max_length) for lesson in lessons)
    return [row for row in encoded if row.input_ids]


def tokens_of(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens of a text in which nothing is read as a special token."""
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])
