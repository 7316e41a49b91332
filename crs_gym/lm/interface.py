"""What every language model here can do: read off the probabilities of words, and write.

Both take many prompts at once. A row's result depends on that row alone: not on its neighbours, their order, or what is
kept in the cache.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal, Protocol, runtime_checkable

from crs_gym.errors import LanguageModelError
from crs_gym.lm.guide import Guide
from crs_gym.numeric import DoubleArray

ChatRole = Literal["system", "user", "assistant"]


class Read(Enum):
    """A place in a prompt at which the probabilities of the next word are to be read."""

    HERE = "read"


READ: Final = Read.HERE


@dataclass(frozen=True, slots=True)
class Prompt:
    """Raw text, for a model that was trained on it.

    Attributes:
        parts: Pieces of text, each tokenized by itself and never read as a special token, with `READ` between them
            where probabilities are wanted. A prompt that begins with the parts of an earlier one reuses its cache.
    """

    parts: tuple[str | Read, ...]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join([part for part in self.parts if isinstance(part, str)])


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a chat. Its content is never read as a special token or a role."""

    role: ChatRole
    content: str


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation in the model's own chat format; the assistant speaks next.

    Attributes:
        messages: The conversation so far.
        prefix: How the assistant's message begins. Probabilities are read behind it.
    """

    messages: tuple[ChatMessage, ...]
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a text is drawn.

    Attributes:
        max_tokens: The longest text, in tokens.
        temperature: Divides the logits; 0 takes the most probable token.
        min_p: Tokens less probable than this share of the most probable one are never drawn; 0 keeps all.
        stop: Strings that end the text; they are not part of it.
    """

    max_tokens: int = 64
    temperature: float = 1.0
    min_p: float = 0.0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_tokens < 1 or self.temperature < 0.0 or not 0.0 <= self.min_p < 1.0 or "" in self.stop:
            raise ValueError(
                f"{self}: max_tokens must be at least 1, temperature at least 0, min_p in [0, 1), no stop string empty"
            )


def until_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """`text` up to the first stop string in it, and whether there is one."""
    places = [text.index(string) for string in stop if string in text]
    return (text[: min(places)], True) if places else (text, False)


@dataclass(frozen=True, slots=True)
class Generation:
    """A text that a model wrote.

    Attributes:
        text: The text, up to where it ended.
        finished: It ended by itself or at a stop string; else `max_tokens` cut it.
        tokens: The tokens drawn, the last of which may belong to the stop string; empty where a server does not tell.
        chosen: For each token whether there was a choice; empty where all were drawn freely.
    """

    text: str
    finished: bool
    tokens: tuple[int, ...] = field(default=(), repr=False)
    chosen: tuple[bool, ...] = field(default=(), repr=False)


@runtime_checkable
class LanguageModel(Protocol):
    """A causal language model, wherever it runs."""

    @property
    def revision(self) -> str:
        """Changes whenever the same prompt may get another answer: a hash of weights, adapter and format."""
        ...

    def read(
        self, prompts: Sequence[Prompt | Chat], words: Sequence[str], *, slots: Sequence[Hashable] | None = None
    ) -> list[DoubleArray | LanguageModelError]:
        """Log-probabilities of some words at the places of interest.

        Args:
            prompts: `n` prompts: a `Prompt` is read at each of its `READ`s, a `Chat` at its end.
            words: Words that differ in their first tokens (with their leading space, where they have one).
            slots: `n` names of places in the cache, one a dialogue: a prompt that extends what the slot has seen
                last only costs what is new. Nothing is kept when left out.

        Returns:
            For each prompt `(n_reads, n_words)` float64: natural logarithms over the whole vocabulary, so their
            exponentials sum to at most 1. In a row that could not be answered, the reason.

        Raises:
            ValueError: Two words cannot be told from each other by their first tokens.
        """
        ...

    def generate(
        self,
        prompts: Sequence[Prompt | Chat],
        sampling: Sampling,
        keys: Sequence[int],
        *,
        slots: Sequence[Hashable] | None = None,
    ) -> list[Generation | LanguageModelError]:
        """Continue each prompt.

        Args:
            prompts: `n` prompts; `READ`s in them are passed over.
            sampling: How to draw.
            keys: `n` 128-bit keys (see `crs_gym.randomness`): the same prompt and key give the same text.
            slots: See `read`.

        Returns:
            `n` texts; in a row that could not be answered, the reason.
        """
        ...

    def forget(self, slots: Sequence[Hashable]) -> None:
        """Drop what is kept for some dialogues."""
        ...


@runtime_checkable
class TextLikelihood(Protocol):
    """A language model that can say how probable a given text is; servers seldom can."""

    def log_likelihood(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[tuple[float, int]]:
        """The natural logarithm of each text's probability behind its prompt, and over how many tokens."""
        ...


@runtime_checkable
class GuidedWriting(Protocol):
    """A language model that can be held to a form; servers cannot."""

    def generate_guided(
        self,
        prompts: Sequence[Prompt | Chat],
        sampling: Sampling,
        keys: Sequence[int],
        guides: Sequence[Guide],
        *,
        slots: Sequence[Hashable] | None = None,
    ) -> list[Generation | LanguageModelError]:
        """As `LanguageModel.generate`, each text by its guide, which also says where it ends.

        Each piece is tokenized by itself. Only `max_tokens` ends a text before its guide does; the text that is
        returned ends at a stop string as ever.
        """
        ...
