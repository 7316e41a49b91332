"""The dialogue engine: the rules of the game, in one place, for N dialogues side by side.

Every face (single env, vector env, PettingZoo, rollouts) is a thin view of this class, so the same seeds give the same
episodes through all of them. State is columns with one row a dialogue; a step is a few gathers for all rows at once.
Words are rendered only when someone reads a transcript.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.catalog import NO_ITEM, Catalog
from crs_gym.dialogue_log import DialogueLog, StepRecord, TurnRecord, recommender_message
from crs_gym.episodes import Episode, Episodes
from crs_gym.errors import SimulatorError
from crs_gym.numeric import FloatArray, IntArray, cells, larger, pick, plain, put_cells, row_count
from crs_gym.reward import BEST_GAIN, RewardMix, TurnFacts
from crs_gym.simulator import NamedSimulator
from crs_gym.task import Message, Task
from crs_gym.turns import AgentTurns, Decision, Outcome, Told, UserTurn, UserTurns

__all__ = [
    "NOT_SHOWN",
    "DialogueEngine",
    "Episode",
    "StepResult",
    "TurnRecord",
    "needs_opening",
    "recommender_message",
]

# Plain numbers: numpy is slow with the members of an enumeration.
_CONTINUE, _ACCEPT, _LEAVE = int(Decision.CONTINUE), int(Decision.ACCEPT), int(Decision.LEAVE)
_OUTCOMES: Final[tuple[Outcome, ...]] = ("truncated", "accepted", "left")  # of an ended episode, by last decision

NOT_SHOWN: Final = 0
"""Stands in `hit_rank` for "no target was shown"."""


def needs_opening(task: Task) -> bool:
    """Whether the user speaks first: the task's context holds no word of it."""
    return not any(message.role == "user" for message in task.context)


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
        self._popular = np.append(catalog.popular_similarity, np.float32(0))
        self._popular_similarity = np.zeros(n, np.float32)
        self._closest = np.zeros(n, np.float32)
        self._best_gain = np.ones(n, np.float32)
        self.turn = np.zeros(n, np.int64)
        self.active = np.zeros(n, bool)
        self.success = np.zeros(n, bool)
        self.hit_rank = np.full(n, NOT_SHOWN, np.int64)
        self._outcomes: list[Outcome | None] = [None] * n
        self._errors: dict[int, SimulatorError] = {}
        self._log = DialogueLog(catalog, n, max_turns)
        self._pending: tuple[IntArray, AgentTurns, TurnFacts] | None = None

    # ---------------------------------------------------------------- the game

    def reset(self, rows: IntArray, episodes: Sequence[Episode]) -> None:
        """Begin an episode in each of `rows`. A recommendation that waits for an answer is dropped."""
        self._pending = None
        episodes = Episodes.of(episodes)
        tasks = episodes.tasks
        # One dialogue on plain numbers, many in columns: see `crs_gym.numeric`.
        row, named, targets = plain(rows, tasks.context_items, tasks.target_items)
        self._known[row] = False
        put_cells(self._known, row, named, True)
        self._known[row, NO_ITEM] = True
        self._is_target[row] = False
        put_cells(self._is_target, row, targets, True)
        self._is_target[row, NO_ITEM] = False
        self._aim(row, targets)
        self._closest[row] = 0.0
        self.turn[row] = 0
        self.active[row] = True
        self.success[row] = False
        self.hit_rank[row] = NOT_SHOWN
        self._log.begin(rows, episodes)
        for place in rows.tolist():
            self._outcomes[place] = None
            self._errors.pop(place, None)
        if self.simulator is not None:
            self._seat(rows, episodes, self.simulator)

    def open(self, row: int, opening: UserTurn) -> None:
        """The user's first words in `row`, where the context holds none."""
        self._log.open(row, opening)
        self._known[row, list(opening.items)] = True

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
        formed = turns.understood if turns.well_formed is None else turns.understood & turns.well_formed
        # One dialogue on plain numbers, many in columns: see `crs_gym.numeric`.
        at, items, understood, well_formed = plain(rows, turns.items, turns.understood, formed)
        if np.count_nonzero(self.active[at]) < len(rows):
            over = rows[~self.active[rows]].tolist()
            raise ValueError(f"the episodes in rows {over} are over: reset them before the next step")
        new = ~cells(self._known, at, items)
        facts = TurnFacts(
            catalog=self.catalog,
            items=items,
            n_shown=row_count(items != NO_ITEM),
            new=new,
            hits=new & cells(self._is_target, at, items),
            best_gain=self._best_gain[at],
            understood=understood,
            well_formed=well_formed,
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
        put_cells(self._known, at, facts.items, True)
        if users.volunteered is not None:  # what the user names is no discovery of the recommender's any more
            put_cells(self._known, rows, users.volunteered, True)
        self.turn[at] = turn = self.turn[at] + 1
        truncated = ~terminated & (turn >= self.max_turns)
        for i in errors:
            rewards[i], terminated[i], truncated[i] = 0.0, False, True
        self._log.add(rows, StepRecord(turns, users, terms, rewards, errors))
        done = terminated | truncated
        for i in done.nonzero()[0].tolist():
            row = int(rows[i])
            self.active[row] = False
            self._outcomes[row] = "errored" if i in errors else _OUTCOMES[users.decision.item(i)]
            if i in errors:
                self._errors[row] = errors[i]
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
        return self._log.episode(row)

    def begun(self, row: int) -> tuple[Episodes, int]:
        """The episodes that were begun together with that of `row`, in columns, and its place among them.

        Raises:
            ValueError: None was begun there.
        """
        return self._log.begun(row)

    def targets(self, row: int) -> tuple[int, ...]:
        """The secret targets of the task that is played in `row`."""
        episodes, place = self.begun(row)
        return episodes.tasks.targets[place]

    def context_told(self, rows: IntArray) -> Told | None:
        """What users have said before the first turns of `rows`, in columns; `None` where only a reader can tell."""
        return self._log.context_told(rows)

    def log(self, row: int) -> Sequence[TurnRecord]:
        """The turns so far in `row`."""
        return self._log.turns(row)

    @property
    def waiting(self) -> AgentTurns | None:
        """What `recommend` was given last and the users have not answered yet."""
        return None if self._pending is None else self._pending[1]

    def opening(self, row: int) -> UserTurn | None:
        """What the user said first in `row`, where the context held no word of the user."""
        return self._log.opening(row)

    def outcome(self, row: int) -> Outcome | None:
        """How the episode in `row` ended; `None` while it goes on."""
        return self._outcomes[row]

    def error(self, row: int) -> SimulatorError | None:
        """Why the episode in `row` ended as errored."""
        return self._errors.get(row)

    def messages(self, row: int) -> tuple[Message, ...]:
        """The dialogue in `row` so far; rendered as far as it is read."""
        return self._log.messages(row)

    def dialogue(self, row: int) -> str:
        """The dialogue in `row` so far as text, one line a message."""
        return self._log.dialogue(row)

    # ---------------------------------------------------------------- inside

    def _aim(self, row: Any, targets: IntArray) -> None:
        """What slates are held against: of `(n,)` rows `(n, t)` targets, padded with `NO_ITEM`; of one row `(t,)`."""
        catalog = self.catalog
        n_targets = row_count(targets != NO_ITEM)
        share: Any = 1.0 / n_targets
        if targets.ndim > 1:
            share = share.astype(np.float32)[:, None]
        similarity: Any = np.float64(0.0)
        self._target_centroids[row] = 0.0
        for items in targets.T:  # one by one, as `Catalog.centroid` adds them
            facets = catalog.slate_facets[items]
            centroid = cells(self._target_centroids, row, facets) + catalog.slate_values[items] * share
            put_cells(self._target_centroids, row, facets, centroid)
            similarity = similarity + self._popular[items]
        self._popular_similarity[row] = similarity / n_targets
        self._best_gain[row] = BEST_GAIN[pick(n_targets < self.k, n_targets, self.k)]

    def _seat(self, rows: IntArray, episodes: Episodes, simulator: NamedSimulator) -> None:
        """Hand the seekers to the simulator, and let those speak first whose context holds no word of theirs."""
        simulator.simulator.reset(rows, episodes.seekers(with_targets=simulator.target_aware))
        silent = list(episodes.tasks.silent)
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
        places = decided.nonzero()[0]
        if len(places) > 1:  # most answers are allowed, which columns show
            decisions, items = users.decision[places], users.accepted[places]
            shown = (turns.items[places] == items[:, None]).any(axis=1) & (items != NO_ITEM)
            places = places[(decisions != _LEAVE) & ~((decisions == _ACCEPT) & shown)]
        for i in places.tolist():
            decision, item = users.decision.item(i), users.accepted.item(i)
            if i in errors or decision == _LEAVE:
                continue
            if decision != _ACCEPT:
                errors[i] = SimulatorError(f"the user decided {decision}; it must be one of {list(map(int, Decision))}")
            elif item == NO_ITEM:
                errors[i] = SimulatorError("the user accepted without saying which item")
            elif item not in turns.items[i] and not self._was_shown(int(rows[i]), item):
                errors[i] = SimulatorError(f"the user accepted item {item}, which was never shown to it")
        return errors

    def _was_shown(self, row: int, item: int) -> bool:
        return any(item in record.agents.items[record.i] for record in self._log.turns(row))
