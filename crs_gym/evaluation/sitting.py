"""One sitting of a run: plays what is missing, in one game for all agents, and keeps the traces."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from crs_gym.agent import NamedAgent
from crs_gym.engine import DialogueEngine, Episode
from crs_gym.errors import CRSGymError, EvaluationError, TraceError
from crs_gym.evaluation.progress import ProgressCallback
from crs_gym.evaluation.results import Timing, read_timing, write_timing
from crs_gym.evaluation.run_folder import RunConfig, RunFolder, check_setting
from crs_gym.game import Game
from crs_gym.rollout import play_game
from crs_gym.task import Task
from crs_gym.trace import Setting, Trace


class Sitting:
    """Plays what is missing of a run, and keeps the traces in its folder, or in memory.

    Args:
        game: Where all agents play, one after the other: a user that is a language model is loaded once.
        tasks: What each agent plays.
        run: The run.
        folder: Its files; `None` keeps the traces in memory.
        report: Told of each episode.

    Attributes:
        timing: How long each agent's episodes took, over all sittings.
    """

    def __init__(
        self, *, game: Game, tasks: Sequence[Task], run: RunConfig, folder: RunFolder | None, report: ProgressCallback
    ) -> None:
        self.timing: dict[str, Timing] = read_timing(folder.directory) if folder else {}
        self._game = game
        self._tasks = tasks
        self._run = run
        self._folder = folder
        self._report = report
        self._setting: Setting | None = None

    def traces_of(self, agent: NamedAgent) -> list[Trace]:
        """All traces of an agent, in any order; those that are missing are played now.

        Raises:
            EvaluationError: The agent, or the user, failed. The game is then not to be played on.
            TraceError: The folder cannot be written to, or holds traces of other settings.
        """
        if self._folder is None:
            traces: list[Trace] = []
            self._play(agent, set(), traces.append)
            return traces
        with self._folder.writer(agent.name) as writer:
            before = self._folder.traces(agent.name)
            for trace in before:
                self._check(trace)
            self._play(agent, {(trace.task_id, trace.episode) for trace in before}, writer.write)
            return self._folder.traces(agent.name)

    def _play(self, agent: NamedAgent, done: set[tuple[str, int]], keep: Callable[[Trace], None]) -> None:
        total = self._run.episodes
        played = turns = 0
        start = time.perf_counter()
        self._report(agent.name, len(done), total)
        if len(done) == total:
            return
        traces = play_game(self._game, agent, self._missing(done))
        try:
            while (trace := self._next(traces, agent, len(done) + played)) is not None:
                self._check(trace)
                keep(trace)
                played += 1
                turns += len(trace.turns)
                self._report(agent.name, len(done) + played, total)
        finally:
            self._add_time(agent.name, played, turns, time.perf_counter() - start)

    def _missing(self, done: set[tuple[str, int]]) -> Iterator[Episode]:
        """Trial by trial, so that a run that was stopped early holds as many tasks as it can."""
        for trial in range(self._run.trials):
            for task in self._tasks:
                if (task.task_id, trial) not in done:
                    yield Episode(task, self._run.seed, trial)

    def _next(self, traces: Iterator[Trace], agent: NamedAgent, done: int) -> Trace | None:
        """The next trace, `None` at the end; whatever foreign code raises names the agent, or the user."""
        try:
            return next(traces, None)
        except CRSGymError:
            raise
        except Exception as error:
            stopped = f"stopped after {done} of {self._run.episodes} episodes"
            if _raised_by_user(error):
                who = f"the user {self._game.setting.simulator!r} failed; the evaluation of {agent.name!r} {stopped}"
                way_out = " Way out: mend the simulator, or its options."
            else:
                who, way_out = f"the evaluation of agent {agent.name!r} {stopped}", ""
            kept = (
                f" They are kept in {self._folder.directory}: --resume goes on there." if self._folder and done else ""
            )
            raise EvaluationError(f"{who}: {type(error).__name__}: {error}.{kept}{way_out}") from error

    def _check(self, trace: Trace) -> None:
        if self._setting is None:
            self._setting = trace.setting
        check_setting(self._setting, trace, self._folder.directory if self._folder else None)

    def _add_time(self, agent: str, episodes: int, turns: int, seconds: float) -> None:
        old = self.timing.get(agent, Timing(0, 0, 0.0))
        self.timing[agent] = Timing(old.episodes + episodes, old.turns + turns, round(old.seconds + seconds, 3))
        if self._folder is not None:
            with suppress(TraceError):  # on a full disk, what the writer of traces says is the error to be read
                write_timing(self.timing, self._folder.directory)


def _raised_by_user(error: Exception) -> bool:
    """Whether the error came while the engine asked the user: the agent's turns were read before it did."""
    asking = (DialogueEngine.reset.__code__, DialogueEngine.step.__code__)
    return any(frame.f_code in asking for frame, _ in traceback.walk_tb(error.__traceback__))
