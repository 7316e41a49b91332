"""The enforced grammar: whatever is chosen, the form is right and quotes truly; what lessons teach can be written."""

from __future__ import annotations

import numpy as np
import pytest

from crs_agents.smtpo.candidates import scorer_of
from crs_agents.smtpo.grammar import parse, write
from crs_agents.smtpo.guide import TurnGuide
from crs_agents.smtpo.options import PolicyOptions
from crs_agents.smtpo.policy import SmtpoPolicy
from crs_agents.smtpo.preferences import PreferenceReader
from crs_agents.smtpo.prompts import END_OF_LINE, asked_before
from crs_agents.smtpo.reasoning import Reasoner
from crs_gym.agent import OracleObservation
from crs_gym.lm.guide import MostProbable
from crs_gym.questions import QUESTIONS
from crs_gym.worlds import World


def made(world: World, *, n: int = 8, listed: int = 3, fit: bool = True, asked: bool = True) -> SmtpoPolicy:
    options = PolicyOptions(base="", n=n, listed=listed, fit=fit, asked=asked)
    return SmtpoPolicy(world.catalog, scorer_of("ease", world), options)


def walked(guide: TurnGuide, rng: np.random.Generator) -> str:
    """A text by choices at random."""
    written: list[str] = []
    while options := guide(written):
        assert len(set(options)) == len(options)
        assert not any(a != b and b.startswith(a) for a in options for b in options)
        written.append(options[int(rng.integers(len(options)))])
    return "".join(written)


@pytest.mark.parametrize("fit", [True, False])
@pytest.mark.parametrize("asked", [True, False])
def test_whatever_is_chosen_is_well_formed(
    sample: World, observations: list[OracleObservation], fit: bool, asked: bool
) -> None:
    policy, rng = made(sample, fit=fit, asked=asked), np.random.default_rng(0)
    guides = policy.guides(observations)
    assert guides is not None
    questions, longest = set(), 0
    for observation, guide in zip(observations, guides, strict=True):
        for _ in range(8):
            text = walked(guide, rng)
            assert text.endswith(END_OF_LINE)
            (turn,) = policy.turns([observation], [text.removesuffix(END_OF_LINE)])
            assert turn.well_formed
            thought = parse(turn.reasoning, 8).thought
            assert len(thought.answer) == 3
            assert thought.asked == (asked_before(observation) if asked else None)
            questions.add(thought.ask)
            longest = max(longest, len(thought.likes))
    assert questions == {None, *QUESTIONS}
    assert longest == 3


def test_what_is_taught_can_be_written(sample: World, observations: list[OracleObservation]) -> None:
    policy = made(sample)
    preferences, reason = PreferenceReader(sample.catalog), Reasoner(sample.catalog, 3)
    guides = policy.guides(observations)
    assert guides is not None
    for observation, guide, found in zip(observations, guides, policy.recall(observations), strict=True):
        wanted = [item for item in observation.targets if item not in observation.named_items()]
        thought = reason(preferences(observation), found, wanted, "genre", asked_before(observation))
        text = write(thought) + END_OF_LINE
        left, written = text, list[str]()
        while options := guide(written):
            (piece,) = [option for option in options if left.startswith(option)]
            written.append(piece)
            left = left.removeprefix(piece)
        assert left == ""


def test_without_candidates_there_is_none_to_answer_with(sample: World, observations: list[OracleObservation]) -> None:
    policy = made(sample)
    found = policy.recall(observations[:1])[0]
    nothing = type(found)(items=(), fits=(), ranking=())
    guide = TurnGuide(sample.catalog, nothing, PreferenceReader(sample.catalog)(observations[0]), 3)
    parsed = parse(walked(guide, np.random.default_rng(1)).strip(), 0)
    assert (parsed.form, parsed.thought.answer) == ("right", ())


def test_a_policy_may_write_freely(sample: World, observations: list[OracleObservation]) -> None:
    free = SmtpoPolicy(sample.catalog, scorer_of("ease", sample), PolicyOptions(base="", n=4, listed=2), guided=False)
    assert free.guides(observations) is None
    assert free.revision != made(sample, n=4, listed=2).revision


def test_only_the_question_may_be_drawn(sample: World, observations: list[OracleObservation]) -> None:
    options = PolicyOptions(base="", n=8, listed=3)
    policy = SmtpoPolicy(sample.catalog, scorer_of("ease", sample), options, explore="question")
    everything = SmtpoPolicy(sample.catalog, scorer_of("ease", sample), options)
    assert policy.revision != everything.revision
    (guide,), (whole,) = policy.guides(observations[:1]) or [], everything.guides(observations[:1]) or []
    written: list[str] = []
    drawn = []
    while pieces := guide(written):
        assert list(pieces) == list(whole(written))
        if not isinstance(pieces, MostProbable):
            drawn.append(pieces)
        written.append(pieces[0])
    assert [len(pieces) for pieces in drawn] == [len(QUESTIONS) + 1]
