from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import crs_gym  # noqa: F401  # registers the ids
from crs_gym.agent import Observation
from crs_gym.errors import SimulatorError, TraceError
from crs_gym.numeric import IntArray
from crs_gym.rollout import replay, rollout
from crs_gym.simulator import SimulatorEntry
from crs_gym.trace_store import read_traces
from crs_gym.turns import AgentTurn, AgentTurns, UserTurns
from crs_gym.worlds import load_world
from crs_gym.wrappers import RecordTraces
from crs_simulators.silent import SILENT

LINES = (
    "What genre are you in the mood for?",
    "How about Heat (1995), Alien (1979) or Memento (2000)?",
    "",  # not understood
    "Then Toy Story (1995), The Matrix (1999) or Pulp Fiction (1994)?",
    "The Godfather (1972)?",
)


class Liner:
    """Says `LINES`, one a turn, as the loop below does."""

    def act(self, observations: Sequence[Observation]) -> list[str]:
        return [LINES[observation.turn] for observation in observations]


def play(env: gym.Env[Any, Any], episodes: int, seed: int | None = None) -> None:
    """The loop that everyone writes."""
    for episode in range(episodes):
        observation, _ = env.reset(seed=seed if episode == 0 else None)
        over = False
        while not over:
            observation, _, terminated, truncated, _ = env.step(LINES[int(observation["turn"])])
            over = terminated or truncated


def test_a_loop_leaves_the_traces_that_rollout_gives(tmp_path: Path) -> None:
    """Same seed, same words: same traces, whoever plays."""
    path = tmp_path / "traces.jsonl"
    env = RecordTraces(gym.make("CRS-Sample-Text-v0"), path, agent="Liner")
    play(env, 12, seed=3)
    env.close()
    assert list(read_traces(path)) == rollout("CRS-Sample-v0", Liner(), episodes=12, seed=3)


def test_the_structured_id_leaves_the_same_traces_as_an_agent_of_turns(tmp_path: Path) -> None:
    class Popular:
        def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
            return [AgentTurn("These?", items=tuple(range(10))) for _ in observations]

    path = tmp_path / "traces.jsonl"
    env = RecordTraces(gym.make("CRS-Sample-v0", k=10), path, agent="Popular")
    for episode in range(6):
        env.reset(seed=5 if episode == 0 else None)
        while not any(env.step({"utterance": "These?", "items": list(range(10))})[2:4]):
            pass
    env.close()
    assert list(read_traces(path)) == rollout("CRS-Sample-v0", Popular(), episodes=6, seed=5)


def test_a_trace_is_written_as_its_episode_ends_and_replays(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "traces.jsonl"
    env = RecordTraces(gym.make("CRS-Sample-Text-v0"), path)
    for n in range(1, 4):
        play(env, 1, seed=n)
        traces = list(read_traces(path))  # the file is still open
        assert len(traces) == n
        assert traces[-1].seed == n
        assert replay(traces[-1], load_world("sample")) == traces[-1]
    env.close()


def test_an_episode_that_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    env = RecordTraces(gym.make("CRS-Sample-Text-v0"), path)
    env.reset(seed=0)
    env.step(LINES[0])
    play(env, 1, seed=1)
    env.reset(seed=2)
    env.close()
    assert [trace.seed for trace in read_traces(path)] == [1]


def test_a_file_that_is_there_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    for seed in (1, 2):
        env = RecordTraces(gym.make("CRS-Sample-Text-v0"), path)
        play(env, 2, seed=seed)
        env.close()
    assert [(trace.seed, trace.episode) for trace in read_traces(path)] == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_a_line_that_was_torn_by_a_kill_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    env = RecordTraces(gym.make("CRS-Sample-Text-v0"), path)
    play(env, 2, seed=1)
    env.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    env = RecordTraces(gym.make("CRS-Sample-Text-v0"), path)
    play(env, 1, seed=2)
    env.close()
    assert [(trace.seed, trace.episode) for trace in read_traces(path)] == [(1, 0), (2, 0)]


def _try_to_write(path: Path, answers: multiprocessing.Queue[str]) -> None:
    try:
        RecordTraces(gym.make("CRS-Sample-Text-v0"), path)
    except TraceError as error:
        answers.put(str(error))
    else:
        answers.put("")


def test_one_file_has_one_writer_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    env = RecordTraces(gym.make("CRS-Sample-Text-v0"), path)
    processes = multiprocessing.get_context("spawn")
    answers = processes.Queue()
    other = processes.Process(target=_try_to_write, args=(path, answers))
    other.start()
    assert "another run is writing to" in answers.get(timeout=60)
    other.join(timeout=60)
    env.close()
    env.close()  # twice does nothing
    RecordTraces(gym.make("CRS-Sample-Text-v0"), path).close()


def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    path.write_text("this is no trace\n")
    with pytest.raises(TraceError, match=r"traces\.jsonl, line 1: this is no trace"):
        RecordTraces(gym.make("CRS-Sample-Text-v0"), path)
    assert path.read_text() == "this is no trace\n"


def test_another_environment_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    with pytest.raises(ValueError, match="RecordTraces wraps a ConversationEnv, not a CartPoleEnv"):
        RecordTraces(gym.make("CartPole-v1"), path)
    assert not path.exists()


def test_it_passes_everything_on(tmp_path: Path) -> None:
    plain = gym.make("CRS-Sample-Text-v0")
    recorded = RecordTraces(gym.make("CRS-Sample-Text-v0"), tmp_path / "traces.jsonl")
    assert recorded.observation_space == plain.observation_space
    assert recorded.action_space == plain.action_space
    assert recorded.reset(seed=4)[0] == plain.reset(seed=4)[0]
    for line in LINES[:2]:
        assert recorded.step(line)[:4] == plain.step(line)[:4]
    recorded.close()


def test_an_errored_episode_is_kept_as_such(tmp_path: Path) -> None:
    def failing(*args: Any, **options: Any) -> Any:
        simulator: Any = SILENT.build(*args, **options)
        reply = simulator.reply

        def fail(rows: IntArray, turns: AgentTurns) -> UserTurns:
            answers: UserTurns = reply(rows, turns)
            answers.errors = {0: SimulatorError("the endpoint is down")}
            return answers

        simulator.reply = fail
        return simulator

    path = tmp_path / "traces.jsonl"
    env = RecordTraces(gym.make("CRS-Sample-Text-v0", simulator=SimulatorEntry(failing, "fails")), path)
    play(env, 1, seed=1)
    env.close()
    (trace,) = read_traces(path)
    assert (trace.outcome, trace.success, trace.error) == ("errored", None, "the endpoint is down")
