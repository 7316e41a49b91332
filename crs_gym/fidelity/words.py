"""Words: how probable the simulator holds what people said, and how its own turns compare with theirs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from crs_gym.fidelity.findings import Distribution, Estimate, Row
from crs_gym.fidelity.intervals import mean, ratio, rounded
from crs_gym.fidelity.recorded import SeekerTurn
from crs_gym.fidelity.speech import Speech, all_turns
from crs_gym.randomness import derived_key, generator
from crs_gym.simulator import Likelihood
from crs_gym.statistics import CONFIDENCE

WANTED_NLL: Final = 2.40
"""At most so many nats a token of SmolLM2's vocabulary on ReDial's test split are asked of the learned simulator."""
_WANTED_ON: Final = "redial"

NEAR: Final = 90.0
"""Turns that rapidfuzz's ratio puts at this or more, of 100, are the same turn said again (our choice)."""

DRAWS: Final = 200
"""How often texts of equal length are drawn for distinct-n."""
LONGEST_TEXT: Final = 2_000
"""Words that distinct-n is taken over at most: beyond, any corpus repeats itself (our choice)."""
SHORTEST_TEXT: Final = 50
"""Words that it needs at least."""

LENGTHS: Final = ("1–2", "3–5", "6–10", "11–15", "16–20", "21–30", "over 30")
_EDGES: Final = (2, 5, 10, 15, 20, 30)

_WORD: Final = re.compile(r"\w+(?:['’]\w+)*")
_FAREWELL: Final = re.compile(
    r"\b(bye|goodbye|good ?night|thanks?|thank ?you|thx|ty|cheers|take care|see (you|ya)|"
    r"(have|enjoy) (a|your) (\w+ )?(day|night|one|evening|weekend|time))\b",
    re.IGNORECASE,
)


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return _WORD.findall(text.casefold())


def likelihood_rows(
    turns: Sequence[tuple[int, SeekerTurn]], likelihoods: Sequence[Likelihood] | None, world: str
) -> list[Row]:
    """NLL of recorded seekers' turns.

    Args:
        turns: Each with the number of its dialogue.
        likelihoods: One a turn; `None` for a simulator that has none.
        world: The world's name.
    """
    per_token = per_word = None
    reason = ""
    if not turns:
        reason = f"{world} has no recorded dialogues in this split"
    elif likelihoods is None:
        reason = "the simulator does not answer how probable words are (crs_gym.simulator.Likelihoods)"
    else:
        groups = np.array([number for number, _ in turns], np.intp)
        groups = np.unique(groups, return_inverse=True)[1].astype(np.intp)
        nats = [-answer.log_likelihood for answer in likelihoods]
        per_token = ratio(nats, [float(answer.tokens) for answer in likelihoods], groups, "turns", len(turns))
        words = [float(max(len(words_of(turn.text)), 1)) for _, turn in turns]
        per_word = ratio(nats, words, groups, "turns", len(turns))
    wanted = f"at most {WANTED_NLL:.2f}" if world == _WANTED_ON else ""
    holds = None if per_token is None or per_token.value is None or not wanted else per_token.value <= WANTED_NLL
    return [
        Row(
            key="nll_per_token",
            name="NLL of people's words, nats a token",
            meaning="How surprised the simulator is by what seekers of the test split really said next, given the "
            "dialogue before it; less is better. Tokens are the model's own, so models of other vocabularies are "
            "compared by word.",
            simulator=per_token,
            wanted=wanted,
            holds=holds,
            reason=reason,
        ),
        Row(
            key="nll_per_word",
            name="NLL of people's words, nats a word",
            meaning="The same over words, whatever the vocabulary.",
            simulator=per_word,
            reason=reason,
        ),
    ]


def speech_rows(simulated: Sequence[Speech], human: Sequence[Speech]) -> list[Row]:
    """Length, variety, repetition, questions and farewells of what is said in play, beside people's."""
    variety = {n: distinct(simulated, human, n) for n in (1, 2)}
    return [
        Row(
            key="length",
            name="Words a turn",
            meaning="The mean length of a turn.",
            simulator=_over_turns(simulated, lambda turn: float(len(words_of(turn)))),
            people=_over_turns(human, lambda turn: float(len(words_of(turn)))),
        ),
        *(
            Row(
                key=f"distinct_{n}",
                name=f"Distinct-{n}",
                meaning=f"Different {'words' if n == 1 else 'pairs of words'} over all, in texts of equal length drawn "
                "from either side.",
                unit="share",
                simulator=variety[n][0],
                people=variety[n][1],
                reason="" if variety[n][0] else f"fewer than {SHORTEST_TEXT} words were said",
            )
            for n in (1, 2)
        ),
        Row(
            key="repetition",
            name="Turns said before",
            meaning="Turns that equal, or nearly equal, an earlier turn of the same seeker.",
            unit="share",
            simulator=_repeated(simulated),
            people=_repeated(human),
        ),
        Row(
            key="questions",
            name="Turns with a question",
            meaning="Turns that hold a question mark.",
            unit="share",
            simulator=_over_turns(simulated, lambda turn: float("?" in turn)),
            people=_over_turns(human, lambda turn: float("?" in turn)),
        ),
        Row(
            key="farewell",
            name="Farewells at the end",
            meaning="Dialogues, of those that the seeker ended, whose last turn says good-bye or thanks.",
            unit="share",
            simulator=_farewells(simulated),
            people=_farewells(human),
        ),
    ]


def length_distribution(simulated: Sequence[Speech], human: Sequence[Speech]) -> Distribution:
    """How long turns are."""

    def shares(speeches: Sequence[Speech]) -> list[float]:
        lengths = [len(words_of(turn)) for _, turn in all_turns(speeches)]
        counts = np.bincount(np.searchsorted(_EDGES, lengths), minlength=len(LENGTHS))
        return [rounded(count / len(lengths)) for count in counts]

    sides = {name: shares(side) for name, side in (("simulator", simulated), ("people", human)) if all_turns(side)}
    return Distribution("How long turns are", "Share of turns by their number of words.", list(LENGTHS), sides)


def distinct(simulated: Sequence[Speech], human: Sequence[Speech], n: int) -> tuple[Estimate | None, Estimate | None]:
    """Distinct-n of either side, over texts of equal length.

    The share of different n-grams falls as a text grows, and a bootstrap sample holds turns twice, so neither whole
    corpora nor bootstrap samples can be compared. Each draw takes whole dialogues in random order, without putting
    any back, until a text is as long as half of what the quieter side says; n-grams do not cross turns.
    """
    sides = [simulated, human]
    said = [sum(len(words_of(turn)) for _, turn in all_turns(side)) for side in sides]
    budget = min(min((words for words in said if words), default=0) // 2, LONGEST_TEXT)
    out: list[Estimate | None] = []
    for side, name, words in zip(sides, ("simulator", "people"), said, strict=True):
        if budget < SHORTEST_TEXT or not words:
            out.append(None)
            continue
        rng = generator(derived_key("fidelity distinct", n, name))
        shares = [_distinct_share(side, rng.permutation(len(side)).tolist(), n, budget) for _ in range(DRAWS)]
        low, high = np.quantile(shares, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        out.append(Estimate(rounded(float(np.mean(shares))), rounded(low), rounded(high), budget, "words"))
    return out[0], out[1]


def _distinct_share(side: Sequence[Speech], order: Sequence[int], n: int, budget: int) -> float:
    grams: list[tuple[str, ...]] = []
    left = budget
    for number in order:
        for turn in side[number].turns:
            words = words_of(turn)[:left]
            left -= len(words)
            grams += zip(*(words[i:] for i in range(n)), strict=False)
        if not left:
            break
    return len(set(grams)) / len(grams) if grams else float("nan")


def repeats(earlier: Sequence[str], turn: str) -> bool:
    """Whether a turn equals, or nearly equals, one of the earlier ones."""
    from rapidfuzz.fuzz import ratio as likeness

    words = " ".join(words_of(turn))
    return any(likeness(words, " ".join(words_of(other))) >= NEAR for other in earlier)


def says_farewell(turn: str) -> bool:
    """Whether a turn says good-bye or thanks."""
    return _FAREWELL.search(turn) is not None


def _repeated(speeches: Sequence[Speech]) -> Estimate:
    values = [
        (speech.group, float(repeats([*speech.earlier, *speech.turns[:i]], turn)))
        for speech in speeches
        for i, turn in enumerate(speech.turns)
    ]
    return _mean(values, "turns")


def _farewells(speeches: Sequence[Speech]) -> Estimate:
    values = [
        (speech.group, float(says_farewell(speech.farewell))) for speech in speeches if speech.farewell is not None
    ]
    return _mean(values, "dialogues")


def _over_turns(speeches: Sequence[Speech], value: Callable[[str], float]) -> Estimate:
    return _mean([(group, value(turn)) for group, turn in all_turns(speeches)], "turns")


def _mean(values: Sequence[tuple[int, float]], of: str) -> Estimate:
    groups = np.unique(np.array([group for group, _ in values], np.intp), return_inverse=True)[1].astype(np.intp)
    return mean([value for _, value in values], groups, of)
