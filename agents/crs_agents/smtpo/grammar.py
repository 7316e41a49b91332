"""What the policy's model writes: the grammar, and the one place where it is written, read and repaired.

    <think>likes horror, 1980s; dislikes gore; 9 #1 horror, thriller; 8 #7 horror; best 1; asked genre; ask star</think>
    <answer>1, 7</answer>

in one line. `likes` and `dislikes` are the seeker's facets; each match quotes the line of a candidate as it begins: its
fit, where that is told, its number and its facets; `best` is the verdict; `asked` repeats, where that is told, what the
user was asked about so far; `ask` is the kind of facet that it is asked about now, or nothing. The answer is the
matched candidates in their order, each once. A line break ends the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from crs_agents.smtpo.prompts import NOTHING, reference
from crs_gym.questions import QUESTIONS

Form = Literal["right", "repaired", "unreadable"]
"""`right`: the grammar to the letter. `repaired`: it is not, but there are numbers of candidates to be read off it.
`unreadable`: there are none."""

ANYTHING: Final = "anything"
"""What is liked where nothing is known."""

NONE: Final = "none"
"""Stands for a number where there are no candidates."""

LONGEST: Final = 4_000
"""Characters that are read; what is longer is not of the right form."""

_FACETS: Final = r"[^;<>\n]+"
_NUMBER: Final = r"[0-9]{1,4}"
_FIT: Final = r"(?:[0-9]{1,2} )?"
_KINDS: Final = rf"(?:{'|'.join(QUESTIONS)})"
_RIGHT: Final = re.compile(
    rf"<think>likes (?P<likes>{_FACETS}); dislikes (?P<dislikes>{_FACETS})"
    rf"(?P<matches>(?:; {_FIT}#{_NUMBER} {_FACETS})*); best (?P<best>{_NUMBER}|{NONE})"
    rf"(?:; asked (?P<asked>{NOTHING}|{_KINDS}(?:, {_KINDS})*))?; ask (?P<ask>{_KINDS}|{NOTHING})</think>"
    rf"<answer>(?P<answer>{_NUMBER}(?:, {_NUMBER})*|{NONE})</answer>"
)
_MATCH: Final = re.compile(rf"; ({_FIT})#({_NUMBER}) ({_FACETS})")
_LOOSE: Final = {
    name: re.compile(pattern)
    for name, pattern in (
        ("likes", rf"\blikes ({_FACETS})"),
        ("dislikes", rf"\bdislikes ({_FACETS})"),
        ("best", rf"\bbest ({_NUMBER})(?![0-9])"),
        ("number", r"[0-9]+"),
        ("ask", rf"\bask ({'|'.join(QUESTIONS)})\b"),
    )
}


@dataclass(frozen=True, slots=True)
class Match:
    """What is thought of one candidate.

    Attributes:
        number: Of the candidate, from 1.
        facets: The facets that it is said to have.
        fit: Its fit as it was repeated, `None` where it is not told.
    """

    number: int
    facets: tuple[str, ...] = ()
    fit: int | None = None


@dataclass(frozen=True, slots=True)
class Thought:
    """What is thought and answered.

    Attributes:
        likes: Liked facets, the most telling first.
        dislikes: Disliked facets.
        matches: The candidates that were thought about, each once.
        answer: Numbers of candidates, from 1, best first, each once; the first is the verdict.
        ask: The kind of facet that the user is asked about, one of `crs_gym.questions.QUESTIONS`; `None` for no
            question.
        asked: The kinds that it was asked about before, as they were repeated; `None` where that is not told.
    """

    likes: tuple[str, ...] = ()
    dislikes: tuple[str, ...] = ()
    matches: tuple[Match, ...] = ()
    answer: tuple[int, ...] = ()
    ask: str | None = None
    asked: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was read off a text, and whether it had the right form."""

    thought: Thought
    form: Form


def write(thought: Thought) -> str:
    """A thought in its right form; facets are names as `prompts.facet_text` gives them."""
    matches = "".join([f"; {reference(m.number, m.fit)} {', '.join(m.facets) or NOTHING}" for m in thought.matches])
    likes, dislikes = ", ".join(thought.likes) or ANYTHING, ", ".join(thought.dislikes) or NOTHING
    best = str(thought.answer[0]) if thought.answer else NONE
    answer = ", ".join(map(str, thought.answer)) or NONE
    asked = "" if thought.asked is None else f"; {asked_text(thought.asked)}"
    thoughts = f"likes {likes}; dislikes {dislikes}{matches}; best {best}{asked}; ask {thought.ask or NOTHING}"
    return f"<think>{thoughts}</think><answer>{answer}</answer>"


def asked_text(asked: Sequence[str]) -> str:
    """What was asked before, as it is repeated."""
    return f"asked {', '.join(asked) or NOTHING}"


def parse(text: str, n: int) -> Parsed:
    """Read a text, whatever stands in it.

    Args:
        text: What was written.
        n: How many candidates there were.
    """
    found = _RIGHT.fullmatch(text.strip()) if len(text) <= LONGEST else None
    if found is not None:
        quoted = _MATCH.findall(found["matches"])
        matches = [Match(int(number), _facets(facets), int(fit) if fit else None) for fit, number, facets in quoted]
        answer = _numbers(found["answer"])
        thought = Thought(
            likes=_facets(found["likes"]),
            dislikes=_facets(found["dislikes"]),
            matches=tuple(matches),
            answer=_usable(answer, n),
            ask=None if found["ask"] == NOTHING else found["ask"],
            asked=None if found["asked"] is None else _questions(found["asked"]),
        )
        complete = len(thought.answer) == len(answer) and (bool(answer) or n == 0)
        lists = [found["likes"], found["dislikes"], *(facets for *_, facets in quoted)]
        thought_about = [match.number for match in matches] == answer and _numbers(found["best"]) == answer[:1]
        if complete and thought_about and all(map(_each_once, lists)):
            return Parsed(thought, "right")
    return _repaired(text[:LONGEST], n)


def _repaired(text: str, n: int) -> Parsed:
    """Numbers of the answer, or else the verdict; facets where they are named."""
    _, tag, answer = text.rpartition("<answer>")
    if not tag:
        _, tag, answer = text.rpartition("</think>")
    numbers = _usable(_numbers(answer.partition("</answer>")[0]) if tag else [], n)
    if not numbers and (best := _LOOSE["best"].search(text)):
        numbers = _usable([int(best[1])], n)
    named = {name: found[1] if (found := _LOOSE[name].search(text)) else "" for name in ("likes", "dislikes", "ask")}
    thought = Thought(_facets(named["likes"]), _facets(named["dislikes"]), (), numbers, named["ask"] or None)
    return Parsed(thought, "repaired" if numbers else "unreadable")


def _numbers(text: str) -> list[int]:
    return [int(digits) for digits in _LOOSE["number"].findall(text) if len(digits) <= 4]


def _usable(numbers: Sequence[int], n: int) -> tuple[int, ...]:
    """Those that are numbers of candidates, each once."""
    return tuple(dict.fromkeys(number for number in numbers if 1 <= number <= n))


def _each_once(text: str) -> bool:
    names = _names(text)
    return len(set(names)) == len(names)


def _facets(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in _names(text) if name not in ("", ANYTHING, NOTHING)))


def _questions(text: str) -> tuple[str, ...]:
    """Kinds of facets, as often as they stand there."""
    return tuple([name for name in _names(text) if name != NOTHING])


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]
