"""A dialogue as text, the one form in which people and language models read it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from crs_gym.task import Message, Role

SPEAKERS: Final[dict[Role, str]] = {"user": "User", "recommender": "Recommender"}


def one_line(text: str) -> str:
    """`text` as a single printable line: breaks and control characters become spaces.

    An utterance that holds line breaks could forge the other speaker's line; one that holds bidirectional controls
    could show a line other than it is.
    """
    if text.isprintable():
        return text.strip()
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def encodable(text: str) -> str:
    """`text` without lone surrogates, which no file could hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def render_message(role: Role, text: str) -> str:
    """One line: `User: …`."""
    return f"{SPEAKERS[role]}: {one_line(text)}"


def render_dialogue(messages: Iterable[Message]) -> str:
    """The whole dialogue, one line a message."""
    return "\n".join([render_message(message.role, message.text) for message in messages])


def with_shown_items(utterance: str, items: Sequence[int], names: Sequence[str]) -> str:
    """The recommender's words as the user reads them: shown items that the words do not name are listed behind.

    Args:
        utterance: The words, on one line.
        items: The items shown.
        names: The catalogue's display names.
    """
    unnamed = [names[item] for item in items if names[item] not in utterance]
    if not unnamed:
        return utterance
    listed = "; ".join(unnamed)
    return f"{utterance} [{listed}]" if utterance else f"[{listed}]"
