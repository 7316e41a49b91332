"""What crs-gym counts on in an agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from crs_gym.agent import Agent, AgentEntry, NamedAgent, Observation, OracleObservation, load_agent
from crs_gym.catalog import FACET_KINDS
from crs_gym.questions import QUESTIONS
from crs_gym.randomness import derived_key, generator
from crs_gym.task import Message, Task
from crs_gym.testing.check import BrokenError, Check, first_tasks, require, run_checks, same, scramble_global_generators
from crs_gym.transcript import with_shown_items
from crs_gym.turns import AgentTurn, AgentTurns
from crs_gym.worlds import World, load_world

TASKS: Final = 6
"""Dialogues of how many tasks are observed."""
MAX_TURNS: Final = 4


@dataclass(frozen=True, eq=False)
class AgentSubject:
    """The agent under test, and what it is shown."""

    spec: str | Agent | AgentEntry
    world: World

    def build(self) -> NamedAgent:
        """A new agent; the same one, where an object is under test."""
        return load_agent(self.spec, self.world)

    def situations(self) -> dict[str, Observation]:
        """Observations by what is special about them, made anew."""
        found: dict[str, Observation] = {}
        tasks = first_tasks(self.world)
        for number in range(min(TASKS, len(tasks))):
            task = tasks[number]
            for turn in range(MAX_TURNS):
                messages = (*task.context, *self._talk(task, turn))
                found[f"task {number}, turn {turn} of {MAX_TURNS}"] = self._observe(task, messages, turn)
        task = tasks[0]
        hello = Message("user", "Hello!")
        found["nothing said so far"] = self._observe(task, (), 0)
        found["k=1"] = self._observe(task, task.context, 0, k=1, depth=1)
        found["a single turn"] = self._observe(task, (hello,), 0, max_turns=1)
        found["odd characters"] = self._observe(task, (Message("user", "🎬 שלום! \u202e {x} %s <think>"),), 0)
        found["a long dialogue"] = self._observe(task, (hello,) * 60, 0)
        return found

    def _talk(self, task: Task, turns: int) -> list[Message]:
        """A dialogue of some turns; nothing in it depends on the targets."""
        catalog, messages = self.world.catalog, []
        for turn in range(turns):
            rng = generator(derived_key("conformance", task.task_id, turn))
            items = tuple(rng.choice(len(catalog), 3, replace=False).tolist())
            question = QUESTIONS[FACET_KINDS[turn % len(FACET_KINDS)]]
            facet = (
                catalog.facet_names[int(catalog.facets_of(items[0])[0])] if len(catalog.facets_of(items[0])) else "it"
            )
            messages.append(Message("recommender", with_shown_items(question, items, catalog.names), items))
            messages.append(Message("user", f"{catalog.names[items[0]]} isn't for me. I like {facet}.", items[:1]))
        return messages

    def _observe(
        self,
        task: Task,
        messages: Sequence[Message],
        turn: int,
        k: int = 5,
        depth: int = 20,
        max_turns: int = MAX_TURNS,
    ) -> Observation:
        key = derived_key("conformance", task.task_id, turn)
        if self._sees_targets:
            return OracleObservation(tuple(messages), turn, max_turns, k, depth, key, targets=task.targets)
        return Observation(tuple(messages), turn, max_turns, k, depth, key)

    @cached_property
    def _sees_targets(self) -> bool:
        return self.build().target_aware


def check_agent(spec: str | Agent | AgentEntry, world: str | World = "sample") -> None:
    """Check an agent: that it can answer anything, and that each answer depends on its observation alone.

    Args:
        spec: As in `crs_gym.agent.load_agent`. An agent's object is checked as it is; all else is built several times.
        world: What it recommends from and learns from.

    Raises:
        ConformanceError: The first check that fails, and the way out.
    """
    label = f"agent {spec if isinstance(spec, str) else type(spec).__name__}"
    run_checks(AGENT_CHECKS, AgentSubject(spec, load_world(world)), label)


def act(named: NamedAgent, observations: Sequence[Observation]) -> list[AgentTurn | str]:
    """What the agent says, one turn each."""
    turns = list(named.agent.act(list(observations)))
    require(len(turns) == len(observations), f"it gives {len(turns)} turns for {len(observations)} observations")
    return turns


def check_situations(subject: AgentSubject) -> None:
    """It answers in each situation by itself."""
    named = subject.build()
    for situation, observation in subject.situations().items():
        try:
            turn = act(named, [observation])[0]
        except BrokenError:
            raise
        except Exception as error:
            raise BrokenError(f"{situation}: {type(error).__name__}: {error}") from error
        require(isinstance(turn, AgentTurn | str), f"{situation}: it answers with a {type(turn).__name__}")


def check_items(subject: AgentSubject) -> None:
    """The items that it shows and ranks are in the catalogue; words are texts."""
    n_items = len(subject.world.catalog)
    for turn in act(subject.build(), list(subject.situations().values())):
        if isinstance(turn, str):
            continue
        for name, words in (("utterance", turn.utterance), ("reasoning", turn.reasoning)):
            require(isinstance(words, str), f"{name} is a {type(words).__name__}, not a str")
        AgentTurns.of([turn], max(len(turn.items), 1), n_items)  # raises where an item is none


def check_determinism(subject: AgentSubject) -> None:
    """Two instances agree, whatever the global generators do; and one agrees with itself when it is asked again."""
    observations = list(subject.situations().values())
    one, two = subject.build(), subject.build()
    scramble_global_generators(1)
    first = act(one, observations)
    scramble_global_generators(2)
    _agree(first, act(two, observations), "two instances answer differently", subject)
    _agree(first, act(one, observations), "asked again, it answers differently", subject)


def check_batches(subject: AgentSubject) -> None:
    """Neither the other observations of a call nor their order change an answer."""
    named, observations = subject.build(), list(subject.situations().values())
    together = act(named, observations)
    _agree(together, act(named, observations[::-1])[::-1], "in another order, it answers differently", subject)
    alone = [act(named, [observation])[0] for observation in observations]
    _agree(together, alone, "alone, an observation is answered differently", subject)


def check_inputs_untouched(subject: AgentSubject) -> None:
    """Observations are only read."""
    observations = list(subject.situations().values())
    before = deepcopy(observations)
    batch = list(observations)
    subject.build().agent.act(batch)
    untouched = len(batch) == len(observations) and all(a is b for a, b in zip(batch, observations, strict=True))
    require(untouched, "it changes the list of observations that it is given")
    contents = [[(o.messages, o.turn, o.max_turns, o.k, o.depth, o.key) for o in list_] for list_ in (before, batch)]
    require(same(*contents), "it changes the observations that it is given")


def _agree(
    one: Sequence[AgentTurn | str], other: Sequence[AgentTurn | str], problem: str, subject: AgentSubject
) -> None:
    for situation, a, b in zip(subject.situations(), one, other, strict=True):
        require(type(a) is type(b) and _content(a) == _content(b), f"{problem}: {situation}: {a!r} and {b!r}"[:600])


def _content(turn: AgentTurn | str) -> object:
    if isinstance(turn, str):
        return turn
    return turn.utterance, tuple(turn.items), tuple(turn.ranking), turn.reasoning, turn.understood


AGENT_CHECKS: Final[Mapping[str, Check[AgentSubject]]] = {
    "situations": Check(check_situations, "answer each observation with an AgentTurn or a str, an empty dialogue too"),
    "items": Check(check_items, "show and rank item numbers of world.catalog"),
    "determinism": Check(check_determinism, "draw from observation.rng, and keep nothing between calls"),
    "batches": Check(check_batches, "treat each observation by itself; mind padding, shared generators and ties"),
    "inputs-untouched": Check(check_inputs_untouched, "copy before changing"),
}
"""The checks of an agent, in the order in which they run."""
