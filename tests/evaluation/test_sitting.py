"""One game for all agents of a run, and who is named when one of the two sides fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from crs_gym.agent import NamedAgent, Observation
from crs_gym.catalog import Catalog
from crs_gym.config import EnvConfig
from crs_gym.errors import EvaluationError, UnknownNameError
from crs_gym.evaluation import evaluate
from crs_gym.evaluation.results import encode_results
from crs_gym.evaluation.run_folder import RunFolder
from crs_gym.numeric import IntArray
from crs_gym.simulator import Seeker, SimulatorEntry
from crs_gym.turns import AgentTurn, AgentTurns, UserTurn, UserTurns

SAMPLE = "CRS-Sample-v0"


class Polite:
    """A user that asks for more, and counts how often it was made; `breaks` is the reply that raises."""

    revision = "1"
    made: list[int] = []  # noqa: RUF012  # of all instances

    def __init__(self, catalog: Catalog, *, num_dialogues: int, max_turns: int, breaks: int = -1) -> None:
        self.made.append(num_dialogues)
        self.left = breaks

    def reset(self, rows: IntArray, seekers: Sequence[Seeker]) -> None: ...

    def open(self, rows: IntArray) -> UserTurns:
        return UserTurns.of([UserTurn("Hello.")] * len(rows))

    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        if self.left == 0:
            raise TypeError("temperature must be a number")
        self.left -= 1
        return UserTurns.of([UserTurn("Go on.")] * len(rows))


class Quiet:
    """Shows nothing; fails after some calls."""

    def __init__(self, calls: int = -1) -> None:
        self.calls = calls

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        if self.calls == 0:
            raise ValueError("no more words")
        self.calls -= 1
        return [AgentTurn("Hm.") for _ in observations]


def broken_user(breaks: int) -> EnvConfig:
    entry = SimulatorEntry(lambda *args, **rows: Polite(*args, **rows, breaks=breaks), "breaks")
    return EnvConfig(simulator=entry, max_turns=2)


def test_the_user_is_loaded_once_a_run() -> None:
    Polite.made.clear()
    config = EnvConfig(simulator=SimulatorEntry(Polite, "counts"), max_turns=2)
    results = evaluate(config, [NamedAgent(name, Quiet()) for name in "abc"], tasks=7, num_envs=64)
    assert Polite.made == [7]  # as many places as there are episodes
    assert [agent.episodes for agent in results.agents] == [7, 7, 7]


def test_agents_in_one_game_do_as_alone(tmp_path: Path) -> None:
    """What the first agent leaves in the game changes nothing for the second; nor does the number of places."""
    together = evaluate(SAMPLE, ["ask-then-recommend", "popularity"], tasks=11, num_envs=4)
    alone = [evaluate(SAMPLE, [name], tasks=11, num_envs=16) for name in ("ask-then-recommend", "popularity")]
    assert together.agents == [results.agents[0] for results in alone]


def test_a_resumed_run_gives_what_an_undisturbed_one_gives(tmp_path: Path) -> None:
    config = EnvConfig(simulator="agenda", max_turns=2)
    with pytest.raises(EvaluationError, match="no more words"):
        evaluate(config, ["popularity", NamedAgent("b", Quiet(2))], tasks=9, num_envs=3, out=tmp_path / "run")
    agents = ["popularity", NamedAgent("b", Quiet())]
    resumed = evaluate(config, agents, tasks=9, num_envs=3, out=tmp_path / "run", resume=True)
    assert encode_results(resumed) == encode_results(evaluate(config, agents, tasks=9))


def test_a_slip_in_the_settings_leaves_no_run_behind(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(UnknownNameError, match="Did you mean 'agenda'"):
        evaluate(EnvConfig(simulator="agendaa"), ["popularity"], tasks=3, out=out)
    with pytest.raises(UnknownNameError, match="recommend"):
        evaluate(EnvConfig(reward={"recomend": 1.0}), ["popularity"], tasks=3, out=out)
    assert not out.exists()
    assert evaluate(EnvConfig(), ["popularity"], tasks=3, out=out).complete


def test_a_user_that_fails_is_not_called_the_agent(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(EvaluationError) as failed:
        evaluate(broken_user(breaks=2), [NamedAgent("innocent", Quiet())], tasks=4, num_envs=2, out=out)
    # Two replies are two turns of two dialogues: both are over, and the third reply breaks.
    assert str(failed.value) == (
        "the user 'custom' failed; the evaluation of 'innocent' stopped after 2 of 4 episodes: TypeError: temperature "
        f"must be a number. They are kept in {out}: --resume goes on there. Way out: mend the simulator, or its "
        "options."
    )
    assert isinstance(failed.value.__cause__, TypeError)


def test_an_agent_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError) as failed:
        evaluate(broken_user(breaks=99), [NamedAgent("guilty", Quiet(0))], tasks=4, out=tmp_path / "run")
    assert str(failed.value) == (
        "the evaluation of agent 'guilty' stopped after 0 of 4 episodes: ValueError: no more words."
    )  # nothing is kept, so nothing is said to be
    assert RunFolder(tmp_path / "run").traces("guilty") == []
