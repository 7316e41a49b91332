"""What the chat model is told and asked. Versioned.

The recommender speaks in the chat's user role, the seeker is the assistant. All that the recommender says is content of
its messages: it is neither instruction nor format. What it says on a turn is not even there when the films of that turn
are judged, so no words can talk the seeker into a film that they come with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.lm import Chat, ChatMessage
from crs_gym.lm.interface import ChatRole
from crs_gym.task import Message, Profile
from crs_gym.transcript import one_line, with_shown_items

VERSION: Final = 1
"""Part of the simulator's revision: rises with any change of this module."""

ROLE: Final = (
    "You are a person who is looking for a film to watch and chats with a recommender about it. "
    "Answer the recommender in one short, casual sentence, as in a chat. "
    "You are not the recommender: do not recommend films, and name no film that nobody has mentioned."
)

GREETING: Final = "Hello! What kind of film are you looking for?"
"""Said by the recommender where the seeker speaks first: most chat formats begin with the other side."""

ANSWERS: Final = ("Yes", "Seen", "No")
"""The words whose probabilities are read: would watch the film; knows it and likes it; neither."""

ASK_GO_ON: Final = "(Do you still want to go on with this chat? Answer yes or no.)"

ANY_FILM: Final = "this film"
"""Stands for a film in the question that tells the model's bent for an answer from its view of a film."""

MAX_TASTE: Final = 8
"""Films that the profile names on each side (our choice)."""
MAX_GENRES: Final = 3
"""Genres in a question about a film (our choice)."""
MAX_SLATE: Final = 10
"""Shown films that are listed behind the recommender's words; more would push the words out (our choice)."""
MESSAGE_BYTES: Final = 600
"""The longest message that the model reads, in bytes of UTF-8; no tokenizer makes more tokens of it than that."""
DIALOGUE_BYTES: Final = 3_000
"""How much of a dialogue it reads, the last messages first. Small models read 2,048 tokens, most of them 8,192."""


def system(profile: Profile | None, catalog: Catalog) -> str:
    """The seeker's role, with what it knows of itself; `None` for a seeker that knows its history only."""
    lines = [ROLE]
    if profile is not None:
        for words, films in (("You like", profile.likes), ("You do not like", profile.dislikes)):
            if films:
                lines.append(f"{words} {'; '.join([catalog.names[film] for film in films[:MAX_TASTE]])}.")
    return "\n".join(lines)


def film(item: int | None, catalog: Catalog) -> str:
    """A film with its genres; `None`: any film."""
    if item is None:
        return ANY_FILM
    genre = FACET_KINDS.index("genre")
    genres = [catalog.facet_names[f] for f in catalog.facets_of(item).tolist() if catalog.facet_kind_list[f] == genre]
    name = one_line(catalog.names[item])
    return f"{name}, {', '.join(genres[:MAX_GENRES])}" if genres else name


def ask_about(item: int | None, catalog: Catalog) -> str:
    """The question that the seeker's view of a film is read behind; `None`: of any film."""
    return f"How about {film(item, catalog)}? Would you like to watch it? Answer yes, seen or no."


def shown(message: Message, catalog: Catalog) -> Message:
    """The recommender's turn as the model reads it: its words, cut, with the films shown behind them."""
    return Message(
        message.role, with_shown_items(cut(message.text), message.items[:MAX_SLATE], catalog.names), message.items
    )


def cut(text: str, longest: int = MESSAGE_BYTES) -> str:
    """The beginning of a text, on one line, at most `longest` bytes of UTF-8."""
    text = one_line(text)
    raw = text.encode("utf-8", "replace")
    return text if len(raw) <= longest else raw[:longest].decode("utf-8", "ignore") + " …"


def chat(told: str, dialogue: Sequence[Message], ask: str = "", prefix: str = "") -> Chat:
    """The dialogue as a chat, in which the assistant is the seeker.

    Args:
        told: The system message.
        dialogue: What was said, each message on one line.
        ask: What the recommender says behind it, in its own message or behind its last words.
        prefix: How the seeker's answer begins.
    """
    kept: list[Message] = []
    size = 0
    for message in reversed(dialogue):
        size += len(message.text.encode("utf-8", "replace"))
        if kept and size > DIALOGUE_BYTES:
            break
        kept.append(message)
    turns: list[tuple[ChatRole, str]] = [
        ("user" if message.role == "recommender" else "assistant", message.text) for message in reversed(kept)
    ]
    if ask:
        turns.append(("user", ask))
    if not turns or turns[0][0] == "assistant":
        turns.insert(0, ("user", GREETING))
    merged: list[tuple[ChatRole, str]] = []
    for role, text in turns:  # most chat formats want the two sides to take turns
        if merged and merged[-1][0] == role:
            merged[-1] = (role, f"{merged[-1][1]} {text}")
        else:
            merged.append((role, text))
    return Chat((ChatMessage("system", told), *(ChatMessage(role, text) for role, text in merged)), prefix)
