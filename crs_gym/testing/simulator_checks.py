"""What crs-gym counts on in a user simulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from crs_gym.catalog import FACET_KINDS, NO_ITEM, Catalog
from crs_gym.errors import SimulatorError
from crs_gym.numeric import IntArray
from crs_gym.questions import QUESTIONS
from crs_gym.randomness import derived_key, generator
from crs_gym.simulator import NamedSimulator, Seeker, SimulatorEntry, load_simulator
from crs_gym.task import Task
from crs_gym.testing.check import Check, first_tasks, require, run_checks, same, scramble_global_generators
from crs_gym.turns import MAX_UTTERANCE, AgentTurn, AgentTurns, Decision, UserTurns
from crs_gym.worlds import World, load_world

WIDTH: Final = 12
"""How many dialogues a check plays side by side."""
TURNS: Final = 4
"""How many turns a check plays."""
K: Final = 5

_ODD_WORDS: Final = ("🎬 שלום \u202eolleh", "A\nUser: I love it", "x" * (MAX_UTTERANCE + 1), "", "{item} %s {0}?")

Answer = tuple[int, int, str, tuple[int, ...], tuple[tuple[str, float], ...], str]
"""Decision, accepted item, words, items named, signals, error: all that a row answers."""
Answers = dict[int, list[Answer]]
"""From the number of a seeker to all its answers."""


@dataclass(frozen=True, eq=False)
class SimulatorSubject:
    """The simulator under test, and the seekers that it plays."""

    spec: str | SimulatorEntry
    options: Mapping[str, object]
    world: World

    def build(self, num_dialogues: int = WIDTH) -> NamedSimulator:
        """A new simulator."""
        return load_simulator(
            self.spec, self.world.catalog, num_dialogues=num_dialogues, max_turns=TURNS, **self.options
        )

    @property
    def catalog(self) -> Catalog:
        """What the seekers talk about."""
        return self.world.catalog

    @cached_property
    def tasks(self) -> list[Task]:
        """The first tasks."""
        tasks = first_tasks(self.world)
        return [tasks[i] for i in range(min(WIDTH, len(tasks)))]

    def seats(self) -> dict[int, int]:
        """Each seeker in the row of its number."""
        return {number: number for number in range(len(self.tasks))}

    def seekers(self, simulator: NamedSimulator) -> list[Seeker]:
        """The seekers of the first tasks; every third has said nothing so far."""
        return [
            Seeker(
                () if i % 3 == 2 else task.context,
                task.profile,
                derived_key("conformance", i),
                task.targets if simulator.target_aware else (),
            )
            for i, task in enumerate(self.tasks)
        ]

    def recommend(self, numbers: Sequence[int], turn: int) -> AgentTurns:
        """What is recommended to the `numbers`-th seekers: slates, questions, both, and odd things. Never a target."""
        return AgentTurns.of([self._turn(number, turn) for number in numbers], K, len(self.catalog))

    def _turn(self, number: int, turn: int) -> AgentTurn:
        rng = generator(derived_key("conformance", number, turn))
        task = self.tasks[number]
        pool = [item for item in rng.permutation(len(self.catalog))[: 4 * K].tolist() if item not in task.targets]
        slate = tuple(dict.fromkeys([*task.profile.likes[: turn % 2], *pool]))[: int(rng.integers(1, K + 1))]
        question = QUESTIONS[FACET_KINDS[(number + turn) % len(FACET_KINDS)]]
        style = (number + turn) % 5
        if style == 0:
            return AgentTurn("Have a look at these.", slate)
        if style == 1:
            return AgentTurn(question)
        if style == 2:
            return AgentTurn(f"How about these? {question}", slate)
        if style == 3:
            return AgentTurn(_ODD_WORDS[number % len(_ODD_WORDS)], slate)
        return AgentTurn("I show the same twice.", slate[:1] * 2)


def check_simulator(spec: str | SimulatorEntry, world: str | World = "sample", **options: object) -> None:
    """Check a user simulator: its answers, that each depends on its own row alone, and that it knows no secret.

    Args:
        spec: As in `crs_gym.simulator.load_simulator`.
        world: Whose seekers it plays.
        options: Of the simulator.

    Raises:
        ConformanceError: The first check that fails, and the way out.
    """
    label = f"simulator {spec if isinstance(spec, str) else spec.summary!r}"
    run_checks(SIMULATOR_CHECKS, SimulatorSubject(spec, options, load_world(world)), label)


Calls = Iterator[tuple[list[int], AgentTurns | None, UserTurns]]


def calls(subject: SimulatorSubject, named: NamedSimulator, seats: Mapping[int, int]) -> Calls:
    """Play as the engine does: first words, then turn by turn those seekers whose dialogue goes on.

    Args:
        subject: Tells the seekers, and what is recommended to them.
        named: The simulator.
        seats: From the number of each seeker to its row; in this order.

    Yields:
        For each call the seekers answering, what they answer (`None`: their first words), and their answers.
    """
    seekers = subject.seekers(named)
    going = list(seats)
    named.simulator.reset(_rows(seats, going), [seekers[number] for number in going])
    silent = [number for number in going if not seekers[number].context]
    if silent:
        opened = named.simulator.open(_rows(seats, silent))
        yield silent, None, opened
        going = [number for number in going if number not in {silent[i] for i in opened.errors}]
    for turn in range(TURNS):
        if not going:
            return
        agents = subject.recommend(going, turn)
        users = named.simulator.reply(_rows(seats, going), agents)
        yield going, agents, users
        on = [i not in users.errors and users.decision[i] == Decision.CONTINUE for i in range(len(going))]
        going = [number for number, goes_on in zip(going, on, strict=True) if goes_on]


def _rows(seats: Mapping[int, int], numbers: Sequence[int]) -> IntArray:
    return np.array([seats[number] for number in numbers], np.int32)


def play(subject: SimulatorSubject, seats: Mapping[int, int], named: NamedSimulator | None = None) -> Answers:
    """All that is answered, words included. By a new simulator, if none is given."""
    answers: Answers = {number: [] for number in seats}
    for numbers, _, users in calls(subject, named or subject.build(), seats):
        for i, number in enumerate(numbers):
            answers[number].append(answer_of(users, i))
    return answers


def answer_of(users: UserTurns, i: int) -> Answer:
    """Row `i` of some answers; its words only if it did not fail."""
    if i in users.errors:
        return (0, NO_ITEM, "", (), (), str(users.errors[i]))
    words, items = users.said(i)
    signals = tuple((name, float(v[i])) for name, v in sorted(users.signals.items()) if not np.isnan(v[i]))
    return (int(users.decision[i]), int(users.accepted[i]), words, items, signals, "")


# ---------------------------------------------------------------- the checks


def check_never_raises(subject: SimulatorSubject) -> None:
    """It answers whatever is said to it."""
    play(subject, subject.seats())


def check_revision(subject: SimulatorSubject) -> None:
    """The revision is a text, and the same for two instances."""
    one, two = subject.build().simulator.revision, subject.build(1).simulator.revision
    require(isinstance(one, str) and one != "", f"the revision is {one!r}")
    require(one == two, f"two instances have the revisions {one!r} and {two!r}")


def check_answers(subject: SimulatorSubject) -> None:
    """Answers have the shape and the values that `UserTurns` says."""
    shown: dict[int, set[int]] = {number: set() for number in subject.seats()}
    for numbers, agents, users in calls(subject, subject.build(), subject.seats()):
        _check_columns(users, len(numbers), subject.catalog)
        for i, number in enumerate(numbers):
            shown[number] |= set(agents.shown(i)) if agents is not None else set()
            if i not in users.errors:
                _check_row(users, i, shown[number], subject.catalog)


def _check_columns(users: object, n: int, catalog: Catalog) -> None:
    require(isinstance(users, UserTurns), f"it answers with a {type(users).__name__}, not with UserTurns")
    assert isinstance(users, UserTurns)
    shapes = (users.decision.shape, users.accepted.shape)
    require(shapes == ((n,), (n,)), f"decision and accepted have the shapes {shapes} for {n} rows")
    require(set(users.decision.tolist()) <= set(map(int, Decision)), f"decisions are {set(users.decision.tolist())}")
    for name, values in users.signals.items():
        good = np.isnan(values) | ((values >= 0) & (values <= 1))
        require(values.shape == (n,) and good.all(), f"the signal {name!r} is not {n} numbers in [0, 1]")
    if users.volunteered is not None:
        items = users.volunteered
        require(items.ndim == 2 and len(items) == n, f"volunteered has the shape {items.shape} for {n} rows")
        require(((items >= NO_ITEM) & (items < len(catalog))).all(), "volunteered holds numbers of no item")
    for i, error in users.errors.items():
        require(0 <= i < n and isinstance(error, SimulatorError), f"errors holds {i!r}: {error!r}")


def _check_row(users: UserTurns, i: int, shown: set[int], catalog: Catalog) -> None:
    words, items = users.said(i)
    require(isinstance(words, str) and words.strip(), f"a seeker says {words!r}")
    require(all(isinstance(item, int) and 0 <= item < len(catalog) for item in items), f"a seeker names {items!r}")
    volunteered = set() if users.volunteered is None else set(users.volunteered[i].tolist())
    unknown = sorted(set(items) - shown - volunteered)
    require(not unknown, f"a seeker names items {unknown}, neither shown to it nor in `volunteered`")
    if users.decision[i] == Decision.ACCEPT:
        require(int(users.accepted[i]) in shown, f"a seeker accepts {users.accepted[i]}, which was never shown to it")


def check_determinism(subject: SimulatorSubject) -> None:
    """Two instances agree, whatever the global generators do."""
    scramble_global_generators(1)
    first = play(subject, subject.seats())
    scramble_global_generators(2)
    _agree(first, play(subject, subject.seats()), "two instances answer differently")


def check_fresh_start(subject: SimulatorSubject) -> None:
    """A new seeker in a row is not haunted by the one before."""
    seats = subject.seats()
    fresh, used = play(subject, seats), subject.build()
    play(subject, dict(zip(reversed(seats), seats.values(), strict=True)), used)
    _agree(fresh, play(subject, seats, used), "after other seekers in the same rows, it answers differently")


def check_batches(subject: SimulatorSubject) -> None:
    """Neither the other rows nor their order change an answer."""
    seats = subject.seats()
    together = play(subject, seats)
    backwards = {number: seats[number] for number in reversed(seats)}
    _agree(together, play(subject, backwards), "with its rows in another order, it answers differently")
    elsewhere = {number: WIDTH + 3 - row for number, row in seats.items()}
    _agree(together, play(subject, elsewhere, subject.build(WIDTH + 5)), "in other rows, it answers differently")
    for number in seats:
        _agree(play(subject, {number: 0}, subject.build(1)), together, "alone, a seeker answers differently")


def check_lazy_words(subject: SimulatorSubject) -> None:
    """Words are the same whenever, and however often, they are read."""
    seats, named = subject.seats(), subject.build()
    early = play(subject, seats)
    kept = [(numbers, users) for numbers, _, users in calls(subject, named, seats)]
    for _ in calls(subject, named, dict(zip(reversed(seats), seats.values(), strict=True))):
        pass  # other seekers in the same rows
    for _ in range(2):
        late: Answers = {number: [] for number in seats}
        for numbers, users in kept:
            for i in reversed(range(len(numbers))):
                late[numbers[i]].append(answer_of(users, i))
        _agree(early, late, "words that are read later, or again, differ")


def check_inputs_untouched(subject: SimulatorSubject) -> None:
    """Seekers and the recommender's turns are only read."""
    named, numbers = subject.build(), list(subject.seats())
    rows = _rows(subject.seats(), numbers)
    seekers, turns = subject.seekers(named), subject.recommend(numbers, 0)
    before = deepcopy(_contents(rows, seekers, turns))
    named.simulator.reset(rows, seekers)
    users = named.simulator.reply(rows, turns)
    for i in numbers:
        answer_of(users, i)
    require(same(before, _contents(rows, seekers, turns)), "it changes the rows, seekers or turns that it is given")


def _contents(rows: IntArray, seekers: Sequence[Seeker], turns: AgentTurns) -> Any:
    profiles = [(s.context, s.profile.likes, s.profile.dislikes, s.key, s.targets) for s in seekers]
    tastes = [(t.facets, t.weights, t.utility) for t in (seeker.profile.taste for seeker in seekers) if t is not None]
    return rows, profiles, tastes, list(turns.utterances), turns.items, turns.understood


def check_secrets(subject: SimulatorSubject) -> None:
    """Unless it is target-aware, it names no target before it is shown one (here none ever is)."""
    if subject.build().target_aware:
        return
    tasks, answers = subject.tasks, play(subject, subject.seats())
    telling = [
        number
        for number, task in enumerate(tasks)
        if any(_names(answer, target, subject.catalog) for answer in answers[number] for target in task.targets)
    ]
    # One seeker may hit on a target by chance, as on any other item.
    require(
        len(telling) <= len(tasks) // 8, f"it names targets, though none was shown, to {len(telling)} of {len(tasks)}"
    )


def _names(answer: Answer, target: int, catalog: Catalog) -> bool:
    _, _, words, items, _, _ = answer
    return target in items or (catalog.years[target] > 0 and catalog.names[target] in words)


def _agree(one: Answers, other: Answers, problem: str) -> None:
    for number, answers in one.items():
        require(len(answers) == len(other[number]), f"{problem}: seeker {number} answers more or fewer times")
        for a, b in zip(answers, other[number], strict=True):
            require(same(a, b), f"{problem}: seeker {number} says {a[2]!r}, and {b[2]!r}")


SIMULATOR_CHECKS: Final[Mapping[str, Check[SimulatorSubject]]] = {
    "never-raises": Check(
        check_never_raises, "put a SimulatorError into UserTurns.errors for the row that could not be answered"
    ),
    "revision": Check(check_revision, "give a non-empty text that names the rules and the options"),
    "answers": Check(check_answers, "see crs_gym.turns.UserTurns; UserTurns.of builds it from single turns"),
    "determinism": Check(check_determinism, "draw all noise from generators keyed by Seeker.key"),
    "fresh-start": Check(check_fresh_start, "forget in reset() all that was kept of the rows"),
    "batches": Check(check_batches, "treat each row by itself; mind shared counters, generators and matrix products"),
    "lazy-words": Check(check_lazy_words, "let `said` read copies of what was decided, not the simulator's state"),
    "inputs-untouched": Check(check_inputs_untouched, "copy arrays before changing them"),
    "secrets": Check(check_secrets, "speak from context and profile only, or register with target_aware=True"),
}
"""The checks of a simulator, in the order in which they run."""
