"""`moved:WORLD:AGENT`: plays as at home, hears of no film that its world does not hold, and refuses other numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from corpora import need_corpora

from crs_agents.moved import MovedAgent, build
from crs_gym.agent import OracleObservation, load_agent
from crs_gym.errors import UnknownNameError
from crs_gym.rollout import rollout
from crs_gym.task import Message
from crs_gym.worlds import World, load_world


def test_at_home_it_plays_as_ever(sample: World, observations: list[OracleObservation]) -> None:
    at_home = load_agent("ease", sample).agent.act(observations)
    assert load_agent("moved:sample:ease", sample).agent.act(observations) == at_home


def test_it_hears_of_no_film_that_its_world_does_not_hold(sample: World, observations: list[OracleObservation]) -> None:
    agent, n = load_agent("ease", sample).agent, len(sample.catalog)
    foreign = [
        replace(o, messages=(*o.messages, Message("user", "Have you seen it?", (n, 0, n + 7)))) for o in observations
    ]
    known = [replace(o, messages=(*o.messages[:-1], Message("user", "Have you seen it?", (0,)))) for o in foreign]
    with pytest.raises(IndexError):
        agent.act(foreign)
    assert MovedAgent(agent, n).act(foreign) == agent.act(known)


@pytest.mark.parametrize(
    ("argument", "error", "match"),
    [
        ("", ValueError, "moved:redial:ease"),
        ("sample", ValueError, "moved:redial:ease"),
        ("simple:ease", UnknownNameError, "sample"),
        ("sample:eese", UnknownNameError, "ease"),
        ("sample:oracle", ValueError, "sees targets"),
    ],
)
def test_what_cannot_be_moved_is_refused(sample: World, argument: str, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        build(sample, argument)


def test_redials_films_have_their_numbers_on_inspired_and_not_on_opendialkg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRS_GYM_DATA", str(need_corpora("redial", "inspired", "opendialkg")))
    moved = build(load_world("inspired"), "redial:popularity")
    traces = rollout("CRS-Inspired-v0", moved, episodes=4, split="valid", simulator="silent")
    assert len(traces) == 4
    assert all(item < 6924 for trace in traces for turn in trace.turns for item in turn.agent.items)
    with pytest.raises(ValueError, match="numbers mean other films"):
        build(load_world("opendialkg"), "redial:popularity")
