"""What the policy's model reads. Versioned: a model reads the form that it was trained on.

Turn 0 holds one line of instruction, the dialogue, and the candidates, one line each:

    Rank the films for the user. […] Think, then answer with the numbers.
    User: Something scary from the eighties, please
    9 #1 horror, thriller; Cold Harbour (1987)
    4 #2 comedy, Bo Lind; Two Left Shoes (1999)

A line begins as a match in what is written does (`grammar.py`): fit, number, facets. So each step of the reasoning can
be copied from the line that begins alike, and to go on with what followed before is what a language model does best.
People stand in a line only where the dialogue speaks for or against them.

Later turns are appended to it and to what the model has written: what the user has said since, and new candidates.
Every utterance is one line, and nothing in it is read as a special token, so no words can forge another line.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final

from crs_agents.history import own_start
from crs_gym.agent import Observation
from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.questions import NO_QUESTION, asked_facet
from crs_gym.task import Message
from crs_gym.transcript import one_line, render_message

VERSION: Final = 6
"""Rises with any change of what is read or written."""

INSTRUCTION: Final = (
    "Rank the films for the user. Each has its {fit}number, facets, title. Think, then answer with the numbers."
)

END_OF_LINE: Final = "\n"

MOST_SAID: Final = 800
"""Characters of the dialogue at turn 0, from its end (our choice: about 200 tokens)."""

MOST_ANSWERED: Final = 300
"""Characters of what the user has said, at later turns."""

MOST_GENRES: Final = 3
"""Genres that a candidate's line names; its decade stands in the year."""

NOTHING: Final = "nothing"
"""Stands for the facets of a candidate of which none is known; in what is written, for what is disliked or asked where
nothing is."""

_FORBIDDEN: Final = str.maketrans({";": " ", ",": " ", "<": " ", ">": " "})
"""What separates facets and marks sections, in the line of a candidate and in what is written."""


def opening(messages: Sequence[Message], lines: Sequence[str], *, fit: bool = True) -> str:
    """The piece of turn 0: the instruction, the end of the dialogue, and candidates, whose fit is told or is not."""
    instruction = INSTRUCTION.format(fit=f"fit ({max(len(lines) - 1, 0)} to 0), " if fit else "")
    return _piece([instruction, *dialogue_lines(messages, MOST_SAID), *lines])


def follow_up(messages: Sequence[Message], lines: Sequence[str]) -> str:
    """The piece of a later turn. It begins on a line of its own, however the model ended.

    Args:
        messages: What was said after the recommender's last message.
        lines: New candidates.
    """
    return END_OF_LINE + _piece([*dialogue_lines(messages, MOST_ANSWERED), *lines])


def dialogue_lines(messages: Sequence[Message], most: int) -> list[str]:
    """The last messages, one line each, of `most` characters together; the first of them is cut at its front."""
    lines: list[str] = []
    left = most
    for message in reversed(messages):
        text = one_line(message.text)
        if len(text) > left:
            if left > most // 4:  # a few characters of a message say nothing
                lines.append(render_message(message.role, f"…{text[-left:]}"))
            break
        lines.append(render_message(message.role, text))
        left -= len(text)
    return lines[::-1]


def candidate_line(number: int, item: int, catalog: Catalog, fit: int | None, spoken_of: Container[int] = ()) -> str:
    """The line of a candidate.

    Args:
        number: From 1.
        item: The candidate.
        catalog: Names it and its facets.
        fit: As `fit_of` has it, or `None` where it is not told.
        spoken_of: Facets for or against which something was said; directors and stars among them are named.
    """
    return f"{line_front(number, item, catalog, fit, spoken_of)}; {title_text(catalog.names[item])}"


def line_front(number: int, item: int, catalog: Catalog, fit: int | None, spoken_of: Container[int] = ()) -> str:
    """The line of a candidate up to its title: what a match quotes. See `candidate_line`."""
    return f"{reference(number, fit)} {', '.join(line_facets(item, catalog, spoken_of)) or NOTHING}"


def line_facets(item: int, catalog: Catalog, spoken_of: Container[int] = ()) -> tuple[str, ...]:
    """The facets in the line of a candidate; see `candidate_line`."""
    genres, people = [], []
    for facet in catalog.facets_of(item).tolist():
        kind = FACET_KINDS[catalog.facet_kind_list[facet]]
        if kind == "genre":
            genres.append(facet_text(catalog.facet_names[facet]))
        elif kind != "decade" and facet in spoken_of:
            people.append(facet_text(catalog.facet_names[facet]))
    return tuple(dict.fromkeys([*genres[:MOST_GENRES], *people]))


def reference(number: int, fit: int | None) -> str:
    """How a candidate is spoken of, in its line and in what is written: its fit, where it is told, and its number."""
    return f"#{number}" if fit is None else f"{fit} #{number}"


def title_text(name: str) -> str:
    """A film's name as it stands in its line."""
    return one_line(name).translate(_FORBIDDEN)


def facet_text(name: str) -> str:
    """A facet's name as it stands in prompts and answers: without what separates facets there."""
    return " ".join(one_line(name).translate(_FORBIDDEN).split())


def fit_of(place: int, n: int) -> int:
    """What stands for a place in the order of recall among `n` candidates: `n - 1` for the first, 0 for the last.

    Each place has a fit of its own, so the order of recall can be kept by who reads it.
    """
    return n - 1 - place


def asked_before(observation: Observation) -> tuple[str, ...]:
    """The kinds of facets that the recommender's own turns have asked about so far, in order, as often as they did.

    What is to be asked next depends on it, and a small model does not look back for it over hundreds of tokens. So it
    is repeated just before the question.
    """
    own = observation.messages[own_start(observation) :]
    kinds = [asked_facet(message.text) for message in own if message.role == "recommender"]
    return tuple([FACET_KINDS[kind] for kind in kinds if kind != NO_QUESTION])


def _piece(lines: Sequence[str]) -> str:
    return "".join([line + END_OF_LINE for line in lines])
