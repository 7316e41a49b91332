"""How an agent answers, whatever it recommends: in its form or not, how long, copied, the same to everybody.

Known ways to fool a reward show here, and trainings that go wrong. All of it is read off turns alone, by the same
functions in each evaluation and each update of a training.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from statistics import fmean
from typing import Final

from crs_gym.trace import Trace
from crs_gym.turns import AgentTurn

_NUMBERED: Final = re.compile(r"<answer>\s*+([0-9]{1,9}(?:[\s,]++[0-9]{1,9}+)*)\s*+</answer>")
"""An answer that holds numbers of candidates and nothing else."""


def is_well_formed(turn: AgentTurn) -> bool:
    """Whether the turn was understood, and nothing in it had to be repaired or replaced."""
    return bool(turn.understood and turn.well_formed)


def n_words(text: str) -> int:
    """How many words a text has: stretches between white space."""
    return len(text.split())


def numbers_of(turn: AgentTurn) -> tuple[int, ...]:
    """The candidates that the turn answers with by their numbers, from 1, best first; empty where it does not.

    A model that is offered candidates by number answers with numbers: `<answer>2, 1, 3</answer>` in its reasoning, the
    last one if there are several, with nothing else in it.
    """
    found = _NUMBERED.findall(turn.reasoning)
    return tuple(map(int, re.findall("[0-9]+", found[-1]))) if found else ()


def copies_order(turn: AgentTurn, offered: Sequence[int] = ()) -> bool | None:
    """Whether the answer is the beginning of the candidates as they were offered; `None` where that cannot be told.

    Of numbered answers (see `numbers_of`) 1, 2, 3, … is a copy. They say more than the slate, which may be filled up
    behind them. Where a model reads its candidates in a random order, it copies some by chance: of answers of one
    number, one in as many as there are candidates.

    Args:
        turn: What was answered.
        offered: The items that were offered, in that order, where that is known: slates without numbers are held to
            it.
    """
    if numbers := numbers_of(turn):
        return numbers == tuple(range(1, len(numbers) + 1))
    return tuple(turn.items) == tuple(offered[: len(turn.items)]) if offered and turn.items else None


def answer_of(turn: AgentTurn) -> Hashable:
    """What counts as the answer when answers are compared: the reasoning, or else the slate, or else the words.

    Where a model wrote the reasoning, it is what the model did: the slate also depends on the candidates that it was
    offered, so a model that writes the same to everybody may show different slates.
    """
    return turn.reasoning or tuple(turn.items) or turn.utterance


def identical_answers(dialogues: Iterable[tuple[Hashable, Sequence[Hashable]]]) -> float | None:
    """How probable it is that two dialogues with different users hold the same answer at the same turn.

    One who answers the same to everybody has 1. Dialogues with the same user are not compared. `None` where no two
    dialogues can be.

    Args:
        dialogues: For each its user, and its answers turn by turn.
    """
    kept = list(dialogues)
    same = pairs = 0
    for turn in range(max((len(answers) for _, answers in kept), default=0)):
        both = [(user, answers[turn]) for user, answers in kept if turn < len(answers)]
        by_user, by_answer = Counter(user for user, _ in both), Counter(answer for _, answer in both)
        same += _pairs(by_answer.values()) - _pairs(Counter(both).values())
        pairs += _pairs([len(both)]) - _pairs(by_user.values())
    return same / pairs if pairs else None


def answer_values(trace: Trace, *, reasons: bool) -> dict[str, float | None]:
    """How an agent answers in one episode, over its turns; each `None` when the episode is errored.

    - `well_formed`: the share of turns that are, see `is_well_formed`.
    - `utterance_words`: how many words the user reads a turn. `reasoning_words`: how many the agent thinks; `None` for
      an agent that never does.
    - `copied_order`: the share of the turns with a numbered answer that copy the order, see `copies_order`.
      `first_listed`: the share of them that begin with number 1. Both `None` where no turn has one.

    Args:
        trace: The episode.
        reasons: Whether the agent gives its reasoning anywhere: then a turn without any counts as one of no words.
    """
    turns = [] if trace.outcome == "errored" else [turn.agent for turn in trace.turns]
    numbered = [turn for turn in turns if numbers_of(turn)]
    return {
        "well_formed": mean(map(is_well_formed, turns)),
        "utterance_words": mean(n_words(turn.utterance) for turn in turns),
        "reasoning_words": mean(n_words(turn.reasoning) for turn in turns) if reasons else None,
        "copied_order": mean(copies_order(turn) is True for turn in numbered),
        "first_listed": mean(numbers_of(turn)[0] == 1 for turn in numbered),
    }


def mean(values: Iterable[float]) -> float | None:
    """The mean; `None` of nothing."""
    kept = list(map(float, values))
    return fmean(kept) if kept else None


def _pairs(counts: Iterable[int]) -> int:
    return sum(n * (n - 1) // 2 for n in counts)
