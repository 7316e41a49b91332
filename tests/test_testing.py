"""Each conformance check rejects a subject that was broken for it; none is without one."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from crs_gym.agent import Observation
from crs_gym.catalog import NO_ITEM, IntArray
from crs_gym.env import ConversationEnv
from crs_gym.errors import ConformanceError, SimulatorError, WorldError
from crs_gym.simulator import Seeker, SimulatorEntry
from crs_gym.task import Message, Profile, Task, Taste
from crs_gym.testing import (
    AGENT_CHECKS,
    ENV_CHECKS,
    SIMULATOR_CHECKS,
    WORLD_CHECKS,
    check_agent,
    check_env,
    check_simulator,
    check_world,
)
from crs_gym.turns import AgentTurn, AgentTurns, Decision, UserTurn, UserTurns
from crs_gym.worlds import Sessions, load_world
from crs_simulators.agenda import AgendaSimulator

SAMPLE = load_world("sample")
Broken = Mapping[str, Sequence[Any]]


def cases(broken: Broken) -> Any:
    return [
        pytest.param(check, subject, id=f"{check}-{i}")
        for check, subjects in broken.items()
        for i, subject in enumerate(subjects)
    ]


# ---------------------------------------------------------------- environments


class Changed(gym.Wrapper[Any, Any, Any, Any]):
    """The Sample environment with something done to its steps."""

    def __init__(self, change: Callable[[Any, list[Any]], Any], on_reset: Any = None) -> None:
        super().__init__(gym.make("CRS-Sample-v0"))
        self.change = change
        self.on_reset = on_reset
        self.resets = 0
        self.buffer: dict[str, Any] = {}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.resets += 1
        result = [*self.env.reset(seed=seed if self.on_reset != "one seed" else 0, options=options)]
        if self.on_reset == "change":
            self.change(self, result)
        return tuple(result)

    def step(self, action: Any) -> Any:
        result = [*self.env.step(action)]
        self.change(self, result)
        if self.on_reset == "spoil action":
            action["items"][:] = 0
        return tuple(result)

    @property
    def targets(self) -> tuple[int, ...]:
        return self.unwrapped.engine.task(0).targets  # type: ignore[attr-defined, no-any-return]


class LenientEnv(ConversationEnv):
    def step(self, action: Any) -> Any:
        try:
            return super().step(action)
        except ValueError as error:
            if "over" in str(error):
                raise
            return super().step(self.action_space.sample())


class EndlessEnv(ConversationEnv):
    last: Any = None

    def step(self, action: Any) -> Any:
        if self.engine.outcome(0) is None:
            self.last = super().step(action)
        return self.last


class NoEnv:
    """Does all that an env does, and is none."""

    def __init__(self) -> None:
        self._env = gym.make("CRS-Sample-v0")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)


def put(index: int, value: Callable[[Any, Any], Any]) -> Callable[[Any, list[Any]], None]:
    def change(env: Any, result: list[Any]) -> None:
        result[index] = value(env, result[index])

    return change


def wrap(change: Callable[[Any, list[Any]], Any], on_reset: Any = None) -> Callable[[], Any]:
    return lambda: Changed(change, on_reset)


def nothing(env: Any, result: list[Any]) -> None:
    del env, result


def reuse(env: Any, result: list[Any]) -> None:
    env.buffer.update(result[0])
    result[0] = env.buffer


def before_end(change: Callable[[Any, dict[str, Any]], dict[str, Any]]) -> Callable[[Any, list[Any]], None]:
    def changed(env: Any, result: list[Any]) -> None:
        if not (result[2] or result[3]):
            result[-1] = {**result[-1], **change(env, result[-1])}

    return changed


def tell_title(env: Any, result: list[Any]) -> None:
    names = [env.unwrapped.catalog.names[target] for target in env.targets]
    result[0] = {**result[0], "dialogue": f"{result[0]['dialogue']}\nUser: {'; '.join(names)}"}


BROKEN_ENVS: Broken = {
    "api": [
        wrap(put(2, lambda _, flag: int(flag))),
        wrap(put(1, lambda _, reward: float("nan"))),
        wrap(put(1, lambda _, reward: [reward])),
        wrap(put(4, lambda _, info: None)),
    ],
    "spaces": [wrap(put(0, lambda _, o: {**o, "turn": 99})), wrap(put(0, lambda _, o: {**o, "more": 1}))],
    "determinism": [
        wrap(put(1, lambda _, reward: reward + np.random.random())),  # noqa: NPY002
        wrap(put(1, lambda _, reward: reward + random.random())),
        wrap(put(4, lambda _, info: {**info, "noise": np.random.random()})),  # noqa: NPY002
    ],
    "fresh-start": [wrap(put(1, lambda env, reward: reward + env.resets))],
    "seeds": [wrap(nothing, "one seed")],
    "own-buffers": [wrap(reuse), wrap(reuse, "change")],
    "actions-untouched": [wrap(nothing, "spoil action")],
    "bad-actions": [LenientEnv],
    "reward-terms": [wrap(put(4, lambda _, info: {**info, "reward_terms": {"format": 1.5}}))],
    "secrets": [
        wrap(before_end(lambda env, _: {"targets": env.targets})),
        wrap(before_end(lambda env, _: {"hint": env.targets[0]})),
        wrap(before_end(lambda env, _: {"hints": {"best": np.array(env.targets)}})),
        wrap(before_end(lambda env, _: {"hint": env.unwrapped.catalog.names[env.targets[0]]})),
        wrap(tell_title),
    ],
    "end": [
        wrap(put(4, lambda _, info: {key: value for key, value in info.items() if key != "outcome"})),
        wrap(put(4, lambda _, info: {key: value for key, value in info.items() if key != "success"})),
        EndlessEnv,
    ],
    "gymnasium": [NoEnv],
}


@pytest.mark.parametrize(("check", "env"), cases(BROKEN_ENVS))
def test_broken_envs(check: str, env: Callable[[], Any]) -> None:
    with pytest.raises(ConformanceError) as raised:
        check_env(env)
    assert raised.value.check == check, raised.value


# ---------------------------------------------------------------- simulators


class Plain(AgendaSimulator):
    """A simulator that is in order; the broken ones differ from it in one thing."""

    count = 0

    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        return UserTurns.of([self.one(i, row, turns) for i, row in enumerate(rows.tolist())])

    def one(self, i: int, row: int, turns: AgentTurns) -> UserTurn | SimulatorError:
        return UserTurn(f"Hm, {turns.shown(i)}.")


class Raises(Plain):
    def one(self, i: int, row: int, turns: AgentTurns) -> UserTurn:
        return UserTurn(turns.utterances[i].encode("ascii").decode() or "Hm.")


class NoRevision(Plain):
    revision = ""  # type: ignore[assignment]


class ChangingRevision(Plain):
    made = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        ChangingRevision.made += 1
        self.number = ChangingRevision.made

    @property
    def revision(self) -> str:
        return f"mine-{self.number}"


class BadDecision(Plain):
    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        return replace(super().reply(rows, turns), decision=np.full(len(rows), 7, np.int8))


class AcceptsUnseen(Plain):
    def one(self, i: int, row: int, turns: AgentTurns) -> UserTurn:
        return UserTurn("That one!", Decision.ACCEPT, next(item for item in range(99) if item not in turns.shown(i)))


class SaysNothing(Plain):
    def one(self, i: int, row: int, turns: AgentTurns) -> UserTurn:
        return UserTurn("")


class TooFewAnswers(Plain):
    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        return super().reply(rows[:-1], turns)


class WildSignal(Plain):
    def one(self, i: int, row: int, turns: AgentTurns) -> UserTurn:
        return UserTurn("Hm.", signals={"engagement": 1.5})


class NamesInSecret(Plain):
    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        return replace(super().reply(rows, turns), said=lambda i: ("What of that one?", (123,)))


class NamesNoItem(Plain):
    def one(self, i: int, row: int, turns: AgentTurns) -> UserTurn:
        return UserTurn("What of that one?", items=(len(SAMPLE.catalog),))


class AnswersWithText(Plain):
    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        return ["Hm." for _ in rows]  # type: ignore[return-value]


class GlobalNoise(Plain):
    def one(self, i: int, row: int, turns: AgentTurns) -> UserTurn:
        return UserTurn(f"Hm {np.random.random()}")  # noqa: NPY002


class Haunted(Plain):
    def reset(self, rows: IntArray, seekers: Sequence[Seeker]) -> None:
        super().reset(rows, seekers)
        self.count += 1

    def one(self, i: int, row: int, turns: AgentTurns) -> UserTurn:
        return UserTurn(f"I'm the {self.count}. here.")


class CountsRows(Plain):
    def one(self, i: int, row: int, turns: AgentTurns) -> UserTurn:
        return UserTurn(f"We are {len(turns)}.")


class KnowsItsRow(Plain):
    def one(self, i: int, row: int, turns: AgentTurns) -> UserTurn:
        return UserTurn(f"I sit in row {row}.")


class FailsTogether(Plain):
    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        down = not turns.understood.all()
        return UserTurns.of([SimulatorError("down") if down else UserTurn("Hm.") for _ in rows])


class ForgetfulWords(Plain):
    said_so_far = 0

    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        self.said_so_far = int(turns.understood.size > 0) + self.said_so_far
        users = super().reply(rows, turns)
        now = self.said_so_far
        return replace(users, said=lambda i: ("Hm." if now == self.said_so_far else "What did I say?", ()))


class WornOutWords(Plain):
    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        left = [1] * len(rows)

        def said(i: int) -> tuple[str, tuple[int, ...]]:
            left[i] -= 1
            return "Hm." if left[i] >= 0 else "I said so!", ()

        return replace(super().reply(rows, turns), said=said)


class SpoilsTurns(Plain):
    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        users = super().reply(rows, turns)
        users = UserTurns.of([users.turn(i) for i in range(len(users))])
        turns.items.sort(axis=1)
        return users


class KnowsTheLabel(Plain):
    def reset(self, rows: IntArray, seekers: Sequence[Seeker]) -> None:
        super().reset(rows, seekers)
        tasks = [SAMPLE.tasks("train")[i] for i in range(12)]
        self.wanted = getattr(self, "wanted", {})
        for row, seeker in zip(rows.tolist(), seekers, strict=True):
            self.wanted[row] = next(t.targets[0] for t in tasks if t.profile.likes == seeker.profile.likes)

    def one(self, i: int, row: int, turns: AgentTurns) -> UserTurn:
        return UserTurn("I want that.", items=(self.wanted[row],))


class SpellsOutTheLabel(KnowsTheLabel):
    def one(self, i: int, row: int, turns: AgentTurns) -> UserTurn:
        return UserTurn(f"I want {SAMPLE.catalog.names[self.wanted[row]]}.")


BROKEN_SIMULATORS: Broken = {
    "never-raises": [Raises],
    "revision": [NoRevision, ChangingRevision],
    "answers": [
        BadDecision,
        AcceptsUnseen,
        SaysNothing,
        WildSignal,
        NamesInSecret,
        NamesNoItem,
    ],
    "determinism": [GlobalNoise],
    "fresh-start": [Haunted],
    "batches": [CountsRows, KnowsItsRow, FailsTogether],
    "lazy-words": [ForgetfulWords, WornOutWords],
    "inputs-untouched": [SpoilsTurns],
    "secrets": [KnowsTheLabel, SpellsOutTheLabel],
}


def entry(build: Callable[..., Any]) -> SimulatorEntry:
    return SimulatorEntry(build=build, summary="for tests")


def test_the_plain_simulator_is_in_order() -> None:
    check_simulator(entry(Plain))


@pytest.mark.parametrize(("check", "simulator"), cases(BROKEN_SIMULATORS))
def test_broken_simulators(check: str, simulator: type[Plain]) -> None:
    with pytest.raises(ConformanceError) as raised:
        check_simulator(entry(simulator))
    assert raised.value.check == check, raised.value


@pytest.mark.parametrize("simulator", [TooFewAnswers, AnswersWithText, lambda *_, **__: None])
def test_simulators_that_are_none(simulator: Callable[..., Any]) -> None:
    with pytest.raises(ConformanceError):
        check_simulator(entry(simulator))


# ---------------------------------------------------------------- agents


class PlainAgent:
    """An agent that is in order; the broken ones differ from it in one thing."""

    count = 0

    def act(self, observations: Sequence[Observation]) -> list[Any]:
        return [self.one(i, observation, observations) for i, observation in enumerate(observations)]

    def one(self, i: int, o: Observation, all_of_them: Sequence[Observation]) -> Any:
        return AgentTurn("Here.", tuple(o.rng.integers(100, size=o.k).tolist()))


class NeedsWords(PlainAgent):
    def one(self, i: int, o: Observation, all_of_them: Sequence[Observation]) -> Any:
        return AgentTurn(o.messages[0].text)


class AnswersFirstOnly(PlainAgent):
    def act(self, observations: Sequence[Observation]) -> list[Any]:
        return super().act(observations)[:0]


class AnswersNone(PlainAgent):
    def one(self, i: int, o: Observation, all_of_them: Sequence[Observation]) -> Any:
        return None


class WrongItem(PlainAgent):
    def one(self, i: int, o: Observation, all_of_them: Sequence[Observation]) -> Any:
        return AgentTurn("Here.", (len(SAMPLE.catalog),))


class WrongRanking(PlainAgent):
    def one(self, i: int, o: Observation, all_of_them: Sequence[Observation]) -> Any:
        return AgentTurn("Here.", (), (1.0,))  # type: ignore[arg-type]


class NoText(PlainAgent):
    def one(self, i: int, o: Observation, all_of_them: Sequence[Observation]) -> Any:
        return AgentTurn(b"Here.")  # type: ignore[arg-type]


class GlobalDice(PlainAgent):
    def one(self, i: int, o: Observation, all_of_them: Sequence[Observation]) -> Any:
        return AgentTurn("Here.", (int(np.random.randint(100)),))  # noqa: NPY002


class Remembers(PlainAgent):
    def one(self, i: int, o: Observation, all_of_them: Sequence[Observation]) -> Any:
        self.count += 1
        return AgentTurn(f"I have said {self.count} things.")


class CountsObservations(PlainAgent):
    def one(self, i: int, o: Observation, all_of_them: Sequence[Observation]) -> Any:
        return AgentTurn("Here.", (len(all_of_them),))


class KnowsItsPlace(PlainAgent):
    def one(self, i: int, o: Observation, all_of_them: Sequence[Observation]) -> Any:
        return AgentTurn("Here.", (i,))


class EatsObservations(PlainAgent):
    def act(self, observations: Sequence[Observation]) -> list[Any]:
        turns = super().act(observations)
        observations.clear()  # type: ignore[attr-defined]
        return turns


class ChangesObservations(PlainAgent):
    def one(self, i: int, o: Observation, all_of_them: Sequence[Observation]) -> Any:
        object.__setattr__(o, "messages", (*o.messages, Message("user", "More!")))
        return AgentTurn("Here.")


BROKEN_AGENTS: Broken = {
    "situations": [NeedsWords, AnswersFirstOnly, AnswersNone],
    "items": [WrongItem, WrongRanking, NoText],
    "determinism": [GlobalDice, Remembers],
    "batches": [CountsObservations, KnowsItsPlace],
    "inputs-untouched": [EatsObservations, ChangesObservations],
}


def test_the_plain_agent_is_in_order() -> None:
    check_agent(PlainAgent())


@pytest.mark.parametrize(("check", "agent"), cases(BROKEN_AGENTS))
def test_broken_agents(check: str, agent: type[PlainAgent]) -> None:
    with pytest.raises(ConformanceError) as raised:
        check_agent(agent())
    assert raised.value.check == check, raised.value


# ---------------------------------------------------------------- worlds


class ChangedWorld:
    """The Sample world with something done to its tasks."""

    def __init__(self, change: Callable[[Task], Task] | None = None, **changed: Any) -> None:
        self.name = "sample"
        self.catalog = changed.get("catalog", SAMPLE.catalog)
        self.change = change or (lambda task: task)
        self.changed = changed

    @property
    def fingerprint(self) -> Any:
        return self.changed["fingerprint"]() if "fingerprint" in self.changed else SAMPLE.fingerprint

    def tasks(self, split: Any, kind: Any = "interactive") -> Any:
        if "tasks" in self.changed:
            return self.changed["tasks"](split, kind)
        return ChangedTasks(SAMPLE.tasks(split, kind), self)

    def task(self, task_id: str) -> Task:
        if "task" in self.changed:
            return self.changed["task"](task_id)  # type: ignore[no-any-return]
        return self.change(SAMPLE.task(task_id))

    def dialogues(self, split: Any) -> Any:
        return self.changed.get("dialogues", ())

    def sessions(self) -> Any:
        return self.changed.get("sessions", SAMPLE.sessions())


class ChangedTasks(Sequence[Task]):
    def __init__(self, tasks: Sequence[Task], world: ChangedWorld) -> None:
        self._tasks = tasks
        self._world = world

    def __len__(self) -> int:
        return len(self._tasks)

    def __getitem__(self, i: Any) -> Any:
        if self._world.changed.get("endless"):
            i = i % len(self)
        return self._world.change(self._tasks[i])


def catalog_with(**columns: Any) -> Any:
    changed = copy(SAMPLE.catalog)
    for name, value in columns.items():
        setattr(changed, name, value)
    return changed


def lenient(split: str, kind: str) -> Any:
    if kind == "next-item":
        raise WorldError("none")
    return ChangedTasks(SAMPLE.tasks("train"), ChangedWorld())


def refuse(split: str, kind: str) -> Any:
    raise WorldError(f"no {split} {kind}")


def lenient_id(task_id: str) -> Task:
    try:
        return SAMPLE.task(task_id)
    except WorldError:
        return SAMPLE.tasks("train")[0]


def add_to_context(task: Task, *items: int, text: str = "Hi.") -> Task:
    return replace(task, context=(*task.context, Message("user", text, items)))


def dice(task: Task) -> Task:
    return replace(task, targets=(*task.targets, 1 + int(np.random.randint(10**6))))  # noqa: NPY002


def with_taste(task: Task, **columns: Any) -> Task:
    taste = task.profile.taste
    assert isinstance(taste, Taste)
    return replace(task, profile=replace(task.profile, taste=replace(taste, **columns)))


def likes_too(task: Task, *items: int) -> Task:
    return replace(task, profile=replace(task.profile, likes=(*task.profile.likes, *items)))


KEYS = SAMPLE.catalog.keys
ROWS = np.array([0, 2], np.int32)

BROKEN_WORLDS: Broken = {
    "catalog": [
        ChangedWorld(catalog=catalog_with(keys=(KEYS[1], *KEYS[1:]))),
        ChangedWorld(catalog=catalog_with(popularity=-SAMPLE.catalog.popularity)),
        ChangedWorld(catalog=catalog_with(facet_ids=SAMPLE.catalog.facet_ids + 10**6)),
        ChangedWorld(catalog=catalog_with(titles=("  ", *SAMPLE.catalog.titles[1:]))),
    ],
    "fingerprint": [
        ChangedWorld(fingerprint=lambda: "xyz"),
        ChangedWorld(fingerprint=lambda: f"{np.random.randint(2**31):016x}"),  # noqa: NPY002
    ],
    "splits": [ChangedWorld(tasks=lenient), ChangedWorld(tasks=refuse), ChangedWorld(tasks=lambda *_: ())],
    "tasks": [
        ChangedWorld(dice),
        ChangedWorld(lambda task: replace(task, split="train")),
        ChangedWorld(lambda task: replace(task, task_id="sample/train/1")),
        ChangedWorld(task=lambda task_id: add_to_context(SAMPLE.task(task_id))),
        ChangedWorld(endless=True),
    ],
    "unknown-task": [ChangedWorld(task=lenient_id)],
    "messages": [
        ChangedWorld(lambda task: add_to_context(task, len(KEYS))),
        ChangedWorld(lambda task: add_to_context(task, -1)),
        ChangedWorld(lambda task: add_to_context(task, text=None)),  # type: ignore[arg-type]
        ChangedWorld(lambda task: replace(task, context=(Message("bot", "Hi."),))),  # type: ignore[arg-type]
    ],
    "profiles": [
        ChangedWorld(lambda task: likes_too(task, len(KEYS))),
        ChangedWorld(lambda task: replace(task, profile=Profile((1,), (1,)))),
        ChangedWorld(lambda task: with_taste(task, utility=np.zeros(3, np.float32))),
        ChangedWorld(lambda task: with_taste(task, weights=np.zeros(0, np.float32))),
        ChangedWorld(lambda task: with_taste(task, weights=np.arange(len(task.profile.taste.facets)))),  # type: ignore[union-attr]
    ],
    "targets": [
        ChangedWorld(lambda task: replace(task, targets=())),
        ChangedWorld(lambda task: replace(task, targets=task.targets[:1] * 2)),
        ChangedWorld(lambda task: replace(task, targets=(len(KEYS),))),
        ChangedWorld(lambda task: add_to_context(task, task.targets[0])),
        ChangedWorld(lambda task: add_to_context(task, text=f"Is {SAMPLE.catalog.names[task.targets[0]]} good?")),
        ChangedWorld(lambda task: likes_too(task, task.targets[0])),
    ],
    "sessions": [
        ChangedWorld(sessions=Sessions(ROWS, np.array([5, 5], np.int32))),
        ChangedWorld(sessions=Sessions(ROWS, np.array([5, NO_ITEM], np.int32))),
        ChangedWorld(sessions=Sessions(ROWS, np.array([5], np.int32))),
    ],
}


def test_the_plain_world_is_in_order() -> None:
    check_world(ChangedWorld())


@pytest.mark.parametrize(("check", "world"), cases(BROKEN_WORLDS))
def test_broken_worlds(check: str, world: ChangedWorld) -> None:
    with pytest.raises(ConformanceError) as raised:
        check_world(world)
    assert raised.value.check == check, raised.value


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize(
    ("checks", "broken"),
    [
        (ENV_CHECKS, BROKEN_ENVS),
        (SIMULATOR_CHECKS, BROKEN_SIMULATORS),
        (AGENT_CHECKS, BROKEN_AGENTS),
        (WORLD_CHECKS, BROKEN_WORLDS),
    ],
)
def test_every_check_has_a_broken_subject(checks: Mapping[str, Any], broken: Broken) -> None:
    assert set(checks) == set(broken)
    assert all(broken.values())


def test_the_message_names_subject_check_and_way_out() -> None:
    with pytest.raises(ConformanceError, match=r"agent WrongItem fails the check 'items': .* Way out: ") as raised:
        check_agent(WrongItem())
    assert str(len(SAMPLE.catalog)) in str(raised.value)
    assert isinstance(raised.value, AssertionError)


def test_checks_put_the_global_generators_back() -> None:
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    check_env("CRS-Sample-v0")
    check_agent(PlainAgent())
    with pytest.raises(ConformanceError):
        check_simulator(entry(GlobalNoise))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # type: ignore[index]  # noqa: NPY002
