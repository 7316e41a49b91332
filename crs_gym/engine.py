"""The dialogue engine: the rules of the game, in one place, for N dialogues side by side.

Every face (single env, vector env, PettingZoo, rollouts) is a thin view of this class, so the same seeds give the same
episodes through all of them. State is columns with one row a dialogue; a step is a few gathers for all rows at once.
Words are rendered only when someone reads a transcript.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.catalog import NO_ITEM, Catalog
from crs_gym.errors import SimulatorError
from crs_gym.numeric import FloatArray, IntArray, larger, row_count
from crs_gym.randomness import episode_key
from crs_gym.reward import BEST_GAIN, RewardMix, TurnFacts
from crs_gym.simulator import NamedSimulator, Seeker
from crs_gym.task import Message, Task
from crs_gym.transcript import render_message, with_shown_items
from crs_gym.turns import AgentTurn, AgentTurns, Decision, Outcome, UserTurn, UserTurns

# Plain numbers: numpy is slow with the members of an enumeration.
_CONTINUE, _ACCEPT = int(Decision.CONTINUE), int(Decision.ACCEPT)
_OUTCOMES: Final[tuple[Outcome, ...]] = ("truncated", "accepted", "left")  # of an ended episode, by last decision

NOT_SHOWN: Final = 0
"""Stands in `hit_rank` for "no target was shown"."""


def needs_opening(task: Task) -> bool:
    """Whether the user speaks first: the task's context holds no word of it."""
    return not any(message.role == "user" for message in task.context)


@dataclass(frozen=True, eq=False)
class Episode:
    """One play of one task: the `episode`-th of `seed`."""

    task: Task
    seed: int
    episode: int

    @cached_property
    def key(self) -> int:
        """Keys all noise of this episode."""
        return episode_key(self.seed, self.episode, self.task.task_id)


@dataclass(slots=True, eq=False)
class StepResult:
    """What one step did to `n` dialogues.

    Attributes:
        rows: `(n,)` the dialogues stepped.
        rewards: `(n,)` float32; 0 where the simulator failed (that episode is `errored`: it is not scored).
        terms: Each reward term before its weight, `(n,)` in [0, 1].
        terminated: `(n,)` bool, the user accepted or left.
        truncated: `(n,)` bool, the turn limit came, or the simulator failed.
        done: `(n,)` bool, the episode is over, one way or the other.
        errors: From a position in `rows` to what the simulator said when it failed.
    """

    rows: IntArray
    rewards: FloatArray
    terms: Mapping[str, Sequence[float] | FloatArray]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    done: NDArray[np.bool_]
    errors: Mapping[int, SimulatorError]


@dataclass(slots=True, eq=False)
class TurnRecord:
    """One turn of a dialogue, as a place in the columns that hold it."""

    agents: AgentTurns
    users: UserTurns
    terms: Mapping[str, Sequence[float] | FloatArray]
    rewards: FloatArray
    errors: Mapping[int, SimulatorError]
    i: int

    def agent(self) -> AgentTurn:
        """The recommender's turn."""
        return self.agents.turn(self.i)

    def reasoning(self) -> str:
        """The thoughts behind the recommender's turn."""
        return self.agents.reasonings[self.i] if self.agents.reasonings else ""

    def user(self) -> UserTurn | None:
        """The user's turn; `None` if the simulator failed."""
        return None if self.i in self.errors else self.users.turn(self.i)


def recommender_message(turns: AgentTurns, i: int, catalog: Catalog) -> Message:
    """Turn `i` as the user reads it."""
    shown = turns.shown(i)
    return Message("recommender", with_shown_items(turns.utterances[i], shown, catalog.names), shown)


class DialogueEngine:
    """N dialogues side by side.

    Args:
        catalog: What can be recommended.
        simulator: The users. `None` when someone else plays them, through `recommend` and `respond`.
        num_dialogues: N.
        k: How many items a turn may show.
        max_turns: The turn limit.
        reward: The weight of each reward term.
    """

    def __init__(
        self,
        catalog: Catalog,
        simulator: NamedSimulator | None,
        *,
        num_dialogues: int,
        k: int,
        max_turns: int,
        reward: Mapping[str, float],
    ) -> None:
        self.catalog = catalog
        self.simulator = simulator
        self.num_dialogues = n = num_dialogues
        self.k = k
        self.max_turns = max_turns
        self.reward_mix = RewardMix(reward)
        self.all_rows: IntArray = np.arange(n, dtype=np.int64)
        # One column more than items: `NO_ITEM` (-1) reads and writes the last, so empty places need no mask.
        self._known = np.zeros((n, len(catalog) + 1), bool)
        self._is_target = np.zeros((n, len(catalog) + 1), bool)
        self._target_centroids = np.zeros((n, catalog.n_facets + 1), np.float32)
        self._popular_similarity = np.zeros(n, np.float32)
        self._closest = np.zeros(n, np.float32)
        self._best_gain = np.ones(n, np.float32)
        self.turn = np.zeros(n, np.int64)
        self.active = np.zeros(n, bool)
        self.success = np.zeros(n, bool)
        self.hit_rank = np.full(n, NOT_SHOWN, np.int64)
        self.episodes: list[Episode | None] = [None] * n
        self._outcomes: list[Outcome | None] = [None] * n
        self._errors: list[SimulatorError | None] = [None] * n
        self._openings: list[UserTurn | None] = [None] * n
        self._log: list[list[TurnRecord]] = [[] for _ in range(n)]
        self._messages: list[list[Message]] = [[] for _ in range(n)]
        self._turns_read = [0] * n  # how many turns of the log are among the messages already
        self._dialogue: list[tuple[str, int]] = [("", 0)] * n  # the text, and how many messages it holds
        self._pending: tuple[IntArray, AgentTurns, TurnFacts] | None = None

    # ---------------------------------------------------------------- the game

    def reset(self, rows: IntArray, episodes: Sequence[Episode]) -> None:
        """Begin an episode in each of `rows`. A recommendation that waits for an answer is dropped."""
        self._pending = None
        for row, episode in zip(rows.tolist(), episodes, strict=True):
            task = episode.task
            targets = list(task.targets)
            known, is_target = self._known[row], self._is_target[row]
            known.fill(False)
            known[[NO_ITEM, *[item for message in task.context for item in message.items]]] = True
            is_target.fill(False)
            is_target[targets] = True
            self.catalog.centroid(targets, out=self._target_centroids[row])
            self._popular_similarity[row] = sum(self.catalog.popular_similarity[targets].tolist()) / len(targets)
            self._best_gain[row] = BEST_GAIN[min(len(targets), self.k)]
            self.episodes[row] = episode
            self._outcomes[row] = None
            self._errors[row] = None
            self._openings[row] = None
            self._log[row] = []
            self._turns_read[row] = 0
            self._messages[row] = list(task.context)
            self._dialogue[row] = "", 0
        self._closest[rows] = 0.0
        self.turn[rows] = 0
        self.active[rows] = True
        self.success[rows] = False
        self.hit_rank[rows] = NOT_SHOWN
        if self.simulator is not None:
            self._seat(rows, episodes, self.simulator)

    def open(self, row: int, opening: UserTurn) -> None:
        """The user's first words in `row`, where the context holds none."""
        self._openings[row] = opening
        self._known[row, list(opening.items)] = True
        self._messages[row].append(Message("user", opening.utterance, opening.items))

    def fail(self, row: int, error: SimulatorError) -> None:
        """End the episode in `row` as errored before its first turn."""
        self._outcomes[row], self._errors[row], self.active[row] = "errored", error, False

    def step(self, turns: AgentTurns, rows: IntArray | None = None) -> StepResult:
        """One turn of recommender and user in each of `rows` (all when left out).

        Raises:
            ValueError: A row's episode is over, or its turn shows more places than `k`.
        """
        if self.simulator is None:
            raise ValueError("this engine has no simulator: play the user through recommend() and respond()")
        rows = self.all_rows if rows is None else rows
        self.recommend(turns, rows)
        return self.respond(self.simulator.simulator.reply(rows, turns))

    def recommend(self, turns: AgentTurns, rows: IntArray | None = None) -> None:
        """The recommender's half of a step. Nothing is changed until `respond`.

        Raises:
            ValueError: A row's episode is over, or the turns do not fit `rows` and `k`.
        """
        rows = self.all_rows if rows is None else rows
        if turns.items.shape != (len(rows), self.k):
            raise ValueError(
                f"items has shape {turns.items.shape}; {len(rows)} dialogues of k={self.k} need {(len(rows), self.k)}"
            )
        # One dialogue on plain numbers, many in columns: see `crs_gym.numeric`.
        one = len(rows) == 1
        at = rows[0] if one else rows
        items = turns.items[0] if one else turns.items
        column = at if one else rows[:, None]
        if np.count_nonzero(self.active[at]) < len(rows):
            over = rows[~self.active[rows]].tolist()
            raise ValueError(f"the episodes in rows {over} are over: reset them before the next step")
        new = ~self._known[column, items]
        formed = turns.understood if turns.well_formed is None else turns.understood & turns.well_formed
        facts = TurnFacts(
            catalog=self.catalog,
            items=items,
            n_shown=row_count(items != NO_ITEM),
            new=new,
            hits=new & self._is_target[column, items],
            best_gain=self._best_gain[at],
            understood=turns.understood[0] if one else turns.understood,
            well_formed=formed[0] if one else formed,
            rows=at,
            target_centroids=self._target_centroids,
            popular_similarity=self._popular_similarity[at],
            closest=self._closest[at],
            signals={},
        )
        self._pending = (rows, turns, facts)

    def respond(self, users: UserTurns) -> StepResult:
        """The users' half of a step: scores the turn, and ends the episodes that are over.

        Raises:
            ValueError: No recommendation is waiting for an answer, or there is not one answer for each.
        """
        if self._pending is None:
            raise ValueError("no recommendation is waiting for an answer: call recommend() first")
        rows, turns, facts = self._pending
        if len(users) != len(rows):
            raise ValueError(f"{len(users)} answers for {len(rows)} recommendations: the users must answer each")
        if users.signals:
            signals = users.signals
            if len(rows) == 1:
                signals = {name: values[0] for name, values in signals.items()}
            facts = replace(facts, signals=signals)
        terminated = users.decision != _CONTINUE
        errors = self._errors_of(users, terminated, rows, turns)
        self._pending = None
        rewards, terms = self.reward_mix(facts)
        if np.count_nonzero(facts.hits):
            hits = np.atleast_2d(facts.hits)
            first = hits.any(axis=1) & ~self.success[rows]
            self.hit_rank[rows[first]] = hits[first].argmax(axis=1) + 1
            self.success[rows[first]] = True
        at = facts.rows
        self._closest[at] = larger(facts.closest, facts.closeness())
        self._known[at if len(rows) == 1 else rows[:, None], facts.items] = True
        if users.volunteered is not None:  # what the user names is no discovery of the recommender's any more
            self._known[rows[:, None], users.volunteered] = True
        self.turn[at] = turn = self.turn[at] + 1
        truncated = ~terminated & (turn >= self.max_turns)
        for i in errors:
            rewards[i], terminated[i], truncated[i] = 0.0, False, True
        for i, row in enumerate(rows.tolist()):
            self._log[row].append(TurnRecord(turns, users, terms, rewards, errors, i))
        done = terminated | truncated
        for i in done.nonzero()[0].tolist():
            row = int(rows[i])
            self.active[row] = False
            self._outcomes[row] = "errored" if i in errors else _OUTCOMES[users.decision.item(i)]
            self._errors[row] = errors.get(i)
        return StepResult(rows, rewards, terms, terminated, truncated, done, errors)

    # ------------------------------------------------------- what can be read

    def task(self, row: int) -> Task:
        """The task that is played in `row`."""
        return self.episode(row).task

    def episode(self, row: int) -> Episode:
        """The episode that is played in `row`.

        Raises:
            ValueError: None was begun there.
        """
        episode = self.episodes[row]
        if episode is None:
            raise ValueError(f"no episode was begun in row {row}: call reset() first")
        return episode

    def log(self, row: int) -> Sequence[TurnRecord]:
        """The turns so far in `row`."""
        return self._log[row]

    @property
    def waiting(self) -> AgentTurns | None:
        """What `recommend` was given last and the users have not answered yet."""
        return None if self._pending is None else self._pending[1]

    def opening(self, row: int) -> UserTurn | None:
        """What the user said first in `row`, where the context held no word of the user."""
        return self._openings[row]

    def outcome(self, row: int) -> Outcome | None:
        """How the episode in `row` ended; `None` while it goes on."""
        return self._outcomes[row]

    def error(self, row: int) -> SimulatorError | None:
        """Why the episode in `row` ended as errored."""
        return self._errors[row]

    def messages(self, row: int) -> tuple[Message, ...]:
        """The dialogue in `row` so far; rendered as far as it is read."""
        return tuple(self._rendered(row))

    def dialogue(self, row: int) -> str:
        """The dialogue in `row` so far as text, one line a message."""
        text, read = self._dialogue[row]
        messages = self._rendered(row)
        if read < len(messages):
            lines = [render_message(message.role, message.text) for message in messages[read:]]
            text = "\n".join([text, *lines] if text else lines)
            self._dialogue[row] = text, len(messages)
        return text

    # ---------------------------------------------------------------- inside

    def _seat(self, rows: IntArray, episodes: Sequence[Episode], simulator: NamedSimulator) -> None:
        """Hand the seekers to the simulator, and let those speak first whose context holds no word of theirs."""
        seekers = [
            Seeker(e.task.context, e.task.profile, e.key, e.task.targets if simulator.target_aware else ())
            for e in episodes
        ]
        simulator.simulator.reset(rows, seekers)
        silent = [i for i, episode in enumerate(episodes) if needs_opening(episode.task)]
        if not silent:
            return
        openings = simulator.simulator.open(rows[silent])
        for i, row in enumerate(rows[silent].tolist()):
            if i in openings.errors:
                self.fail(row, openings.errors[i])
            else:
                self.open(row, openings.turn(i))

    def _errors_of(
        self, users: UserTurns, decided: NDArray[np.bool_], rows: IntArray, turns: AgentTurns
    ) -> dict[int, SimulatorError]:
        """The simulator's own failures, and answers that no rule allows, among those who `decided` to end it."""
        errors = dict(users.errors)
        for i in decided.nonzero()[0].tolist():
            decision, item = users.decision.item(i), users.accepted.item(i)
            if i in errors or decision == Decision.LEAVE:
                continue
            if decision != _ACCEPT:
                errors[i] = SimulatorError(f"the user decided {decision}; it must be one of {list(map(int, Decision))}")
            elif item == NO_ITEM:
                errors[i] = SimulatorError("the user accepted without saying which item")
            elif item not in turns.items[i] and not self._was_shown(int(rows[i]), item):
                errors[i] = SimulatorError(f"the user accepted item {item}, which was never shown to it")
        return errors

    def _was_shown(self, row: int, item: int) -> bool:
        return any(item in record.agents.items[record.i] for record in self._log[row])

    def _rendered(self, row: int) -> list[Message]:
        """The messages of `row`, with those turns rendered that nobody has read yet."""
        messages, log, read = self._messages[row], self._log[row], self._turns_read[row]
        if read == len(log):
            return messages
        self._turns_read[row] = len(log)
        for record in log[read:]:
            messages.append(recommender_message(record.agents, record.i, self.catalog))
            if record.i not in record.errors:
                utterance, items = record.users.said(record.i)
                messages.append(Message("user", utterance, items))
        return messages
