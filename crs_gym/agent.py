"""What an agent must answer, and the registry that finds one by name.

An agent acts on a batch of observations and holds nothing between turns: all that it may know stands in the
observation. So any number of dialogues run side by side, in any order, with the same result.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np

from crs_gym.numeric import FloatArray, IntArray
from crs_gym.plugins import PluginRegistry
from crs_gym.randomness import generator
from crs_gym.task import Message
from crs_gym.transcript import render_dialogue
from crs_gym.turns import AgentTurn
from crs_gym.worlds.world import LearningWorld, World


@dataclass(frozen=True)
class Observation:
    """What an agent sees of one dialogue: never a target, a reward or the user's profile.

    Attributes:
        messages: The dialogue so far, oldest first, each with the items that it names or shows.
        turn: The number of the turn that the agent is to take, from 0.
        max_turns: The turn limit.
        k: How many items the user is shown at most.
        depth: How long a ranking offline metrics ask for; at least `k`.
        key: Keys the agent's own noise for this turn; unrelated to the user's noise.
        thoughts: What the agent gave as its reasoning with each of its earlier turns, which nobody else sees.
    """

    messages: Sequence[Message]
    turn: int
    max_turns: int
    k: int
    depth: int
    key: int
    thoughts: tuple[str, ...] = ()

    @cached_property
    def dialogue(self) -> str:
        """The dialogue as text, one line a message: `User: …`, `Recommender: …`."""
        return render_dialogue(self.messages)

    @property
    def rng(self) -> np.random.Generator:
        """A fresh generator for this turn of this episode, the same each time that it is asked for."""
        return generator(self.key)

    def named_items(self) -> tuple[int, ...]:
        """All items that were named or shown so far, each once, oldest first."""
        return tuple(dict.fromkeys(item for message in self.messages for item in message.items))


@dataclass(frozen=True)
class OracleObservation(Observation):
    """What a target-aware agent sees besides: handed out only to agents that declare `target_aware`."""

    targets: tuple[int, ...] = ()


@runtime_checkable
class Agent(Protocol):
    """A recommender. A class with this one method is enough; no base class is needed."""

    def act(self, observations: Sequence[Observation]) -> Sequence[AgentTurn | str]:
        """One turn for each observation, in order.

        A `str` is read as the free-text view reads it: titles in it become the items shown.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Histories:
    """The films that speak for what `n` users want, as lists one behind the other (CSR).

    Attributes:
        offsets: `(n + 1,)` int64; dialogue `d` holds `items[offsets[d]:offsets[d + 1]]`.
        items: `(nnz,)` int64, each item once a dialogue, the most recently named first.
    """

    offsets: IntArray
    items: IntArray

    def __len__(self) -> int:
        return len(self.offsets) - 1


class Opinion(Protocol):
    """What one message says for (1) and against (-1)."""

    @property
    def facets(self) -> Sequence[tuple[int, int]]:
        """Facets with their polarity."""
        ...

    @property
    def items(self) -> Sequence[tuple[int, int]]:
        """Films that the message names, with their polarity."""
        ...

    @property
    def verdict(self) -> int:
        """On all films of the recommender's last message ("I loved them"); else 0."""
        ...


@runtime_checkable
class CandidateSource(Protocol):
    """What an agent may answer besides, in columns, for views in which a policy picks from candidates.

    An agent offers it as its attribute `candidates`. Both methods treat each dialogue by itself.
    """

    def log_scores(self, histories: Histories) -> FloatArray:
        """`(n, n_items)` float32, finite: about the logarithm of how likely each item is wanted, up to a constant."""
        ...

    def said(self, text: str, items: tuple[int, ...]) -> Opinion:
        """What a user's message says, whose words name `items`. Which words name an item must not matter."""
        ...


AgentFactory = Callable[..., Agent]


@dataclass(frozen=True)
class AgentEntry:
    """An agent's registration.

    Attributes:
        build: Called with the world, and with the text after `name:` where one is given.
        summary: One line for tables and `--help`.
        target_aware: It is shown the targets; its name then says so in every result.
        adversary: It tries to score without recommending well; it must rank below `popularity`.
    """

    build: AgentFactory
    summary: str
    target_aware: bool = False
    adversary: bool = False


AGENTS: PluginRegistry[AgentEntry] = PluginRegistry("agent", "crs_gym.agents", AgentEntry)
"""All agents by name: this distribution's, those of other packages, and those added with `AGENTS.register`."""


@dataclass(frozen=True, eq=False)
class NamedAgent:
    """An agent, built, with the name and marks under which its results stand."""

    name: str
    agent: Agent
    target_aware: bool = False
    adversary: bool = False


AgentSpec = str | Agent | AgentEntry | Callable[..., Agent]
"""What stands for an agent: a name, an object, a registration, or a class or function that makes one."""


def load_agent(spec: AgentSpec, world: World, name: str | None = None) -> NamedAgent:
    """Build an agent for a world.

    Args:
        spec: A registered name (`ease`), a name with an argument (`smtpo:DIR`), `module:attribute` of your own, or an
            object with an `act` method. The attribute is an `AgentEntry`, or a class or function that takes the world,
            or nothing.
        world: What it recommends from, and learns from: it is handed the catalogue and the train split.
        name: The name in results; by default `spec` itself, or the object's class.

    Raises:
        UnknownNameError: No such agent; the message suggests the nearest name.
        ValueError: What `spec` leads to is no agent.
    """
    if isinstance(spec, str):
        entry, label, argument = AGENTS.find(spec)
        if argument is not None:
            label = spec
    else:
        entry, label, argument = spec, getattr(spec, "__name__", type(spec).__name__), None
    world = LearningWorld(world)
    aware = adversary = False
    if isinstance(entry, AgentEntry):
        agent: object = _built(label, entry.build, *((world,) if argument is None else (world, argument)))
        aware, adversary = entry.target_aware, entry.adversary
    elif isinstance(entry, type) or not isinstance(entry, Agent):
        if not callable(entry):
            raise ValueError(
                f"{label} is no agent: it has no act(observations) method and cannot be called with a world"
            )
        agent = _built(label, entry, world)
    else:
        agent = entry
    if not isinstance(agent, Agent):
        raise ValueError(f"{label} built a {type(agent).__name__}, which has no act(observations) method")
    label = name or label
    return NamedAgent(f"{label} (sees targets)" if aware else label, agent, aware, adversary)


def _built(label: str, build: Callable[..., Any], *arguments: Any) -> Any:
    """What `build` makes of the arguments, or of none where it takes none."""
    try:
        signature = inspect.signature(build)
    except (TypeError, ValueError):  # some classes of extension modules have none
        return build(*arguments)
    for given in (arguments, ()):
        try:
            signature.bind(*given)
        except TypeError:
            continue
        if len(arguments) > 1 and not given:
            break  # an argument was given, and would be lost
        return build(*given)
    what = "the world and an argument" if len(arguments) > 1 else "the world, or nothing"
    raise ValueError(
        f"agent {label!r} cannot be built: it must be callable with {what}, and its signature is {signature}"
    )
