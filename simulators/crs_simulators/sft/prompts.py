"""The one form in which the learned user reads a dialogue, for training and for playing. Versioned.

A dialogue is lines. What the recommender shows stands *above* its words, one line a film, and the user's view of a film
is read at the end of that line: no word that the recommender says on this turn can change it. A user's line begins
with what the user decided, so that its words follow from the decision:

    Likes: Alien (1979)
    User: Hi, something scary please
    1. Get Out (2017), horror, mystery:          <- read here: yes / seen / no
    2. Coco (2017), animation, adventure:        <- and here
    Recommender: Have you seen Get Out (2017)?
    User, seen 1: Yes, I loved it                <- read after the comma: accept / like / seen / dislike / answer /
    leave

Every utterance is one line (`crs_gym.transcript.one_line`) and its text is never read as a special token, so no
utterance can forge another line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.task import Message
from crs_gym.transcript import one_line, render_message

VERSION: Final = 1
"""Part of the simulator's revision: rises with any change of a line's form."""

VIEWS: Final = (" yes", " seen", " no")
"""What the user may think of one film: would watch it; knows and likes it; neither."""

DECISIONS: Final = (" accept", " like", " seen", " dislike", " answer", " leave")
"""What a user's line may begin with: takes a film and is done; likes one and goes on; has seen one and liked it; does
not want what is shown; answers where nothing is shown; says good-bye."""

HEADER: Final = "User,"
"""Begins a user's line whose decision is to follow."""

OPENING: Final = "User:"
"""Begins a user's line without a decision: before the game, and its first words."""

END_OF_LINE: Final = "\n"

MAX_GENRES: Final = 3
"""Genres on a film's line (our choice: more cost tokens, and are rare)."""

MAX_TASTE: Final = 8
"""Films on a line of the profile (our choice)."""


def profile_lines(likes: Sequence[str], dislikes: Sequence[str]) -> list[str]:
    """What the seeker knows of itself, by display names."""
    return [
        f"{word}: {'; '.join([one_line(name) for name in names[:MAX_TASTE]])}{END_OF_LINE}"
        for word, names in (("Likes", likes), ("Dislikes", dislikes))
        if names
    ]


def context_line(message: Message) -> str:
    """A message of the dialogue before the game begins."""
    return render_message(message.role, message.text) + END_OF_LINE


def film_line(number: int, item: int, catalog: Catalog) -> str:
    """The line of the film in place `number` (from 1) of a slate, up to where the user's view is read."""
    genre = FACET_KINDS.index("genre")
    facets = [f for f in catalog.facets_of(item).tolist() if catalog.facet_kind_list[f] == genre][:MAX_GENRES]
    about = ", ".join([one_line(catalog.names[item]), *(catalog.facet_names[facet] for facet in facets)])
    return f"{number}. {about}:"


def recommender_line(utterance: str) -> str:
    """The recommender's words."""
    return render_message("recommender", utterance) + END_OF_LINE


def decided(decision: str, number: int | None) -> str:
    """What follows `HEADER`, up to the user's words: one of `DECISIONS`, and the place of the film that it is about."""
    return f"{decision} {number}:" if number is not None else f"{decision}:"


def words(utterance: str) -> str:
    """The user's words, up to the end of their line."""
    return f" {one_line(utterance)}{END_OF_LINE}"


def taste_line(liked: Iterable[str], disliked: Iterable[str]) -> str:
    """Attribute alignment: the facets that the seeker turns out to like and dislike."""
    return f" likes {', '.join(liked) or 'anything'}; dislikes {', '.join(disliked) or 'nothing'}{END_OF_LINE}"


def target_line(name: str) -> str:
    """Target prediction: the film that the seeker will accept."""
    return f" {one_line(name)}{END_OF_LINE}"


TASTE_HEADER: Final = "Taste:"
TARGET_HEADER: Final = "Wants:"
