"""What a user simulator must answer, and the registry that finds one by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from crs_gym.catalog import Catalog
from crs_gym.errors import UnknownNameError
from crs_gym.numeric import FloatArray, IntArray
from crs_gym.plugins import PluginRegistry
from crs_gym.task import Message, Profile
from crs_gym.turns import AgentTurns, UserTurns


@dataclass(frozen=True, slots=True, eq=False)
class Seeker:
    """All that a simulator is told of an episode.

    Attributes:
        context: The dialogue so far.
        profile: What the seeker knows of itself.
        key: Keys this episode's noise (see `crs_gym.randomness`).
        targets: Empty unless the simulator registered as `target_aware`.
    """

    context: tuple[Message, ...]
    profile: Profile
    key: int
    targets: tuple[int, ...] = ()


@runtime_checkable
class Simulator(Protocol):
    """A user simulator: it plays the seekers of up to `num_dialogues` dialogues side by side.

    Rows are places `0 … num_dialogues - 1`. A method must treat each row by itself: neither the other rows of a call
    nor their order may change its answer. A row that it cannot answer goes into `UserTurns.errors`; it never raises
    for one dialogue's sake.
    """

    @property
    def revision(self) -> str:
        """Changes whenever the same inputs may get another answer."""
        ...

    def reset(self, rows: IntArray, seekers: Sequence[Seeker]) -> None:
        """Put a new seeker into each of `rows`."""
        ...

    def open(self, rows: IntArray) -> UserTurns:
        """The first words of seekers whose context holds none of theirs. Decisions are ignored."""
        ...

    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        """Answer one recommender turn for each of `rows` (`turns` has the same order)."""
        ...


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How probable a text is.

    Attributes:
        log_likelihood: The natural logarithm of its probability, its end included.
        tokens: Over how many tokens.
    """

    log_likelihood: float
    tokens: int


@runtime_checkable
class Likelihoods(Protocol):
    """What a simulator may answer besides: how probable it holds what people said and liked (`crs-gym fidelity`).

    A `Seeker` stands for the dialogue so far; it is not put into any place, and nothing is remembered.
    """

    def acceptance(self, seekers: Sequence[Seeker], items: Sequence[int]) -> FloatArray:
        """`(n,)` the probability that the `i`-th seeker likes `items[i]`, were it shown alone on the next turn."""
        ...

    def said(self, seekers: Sequence[Seeker], utterances: Sequence[str]) -> list[Likelihood]:
        """How probable it is that the `i`-th seeker says just `utterances[i]` next."""
        ...


@dataclass(frozen=True)
class SimulatorEntry:
    """A simulator's registration.

    Attributes:
        build: Called as `build(catalog, num_dialogues=N, max_turns=T, **options)`.
        summary: One line for tables and `--help`.
        target_aware: It is handed the targets; its name then says so in every result.
    """

    build: Callable[..., Simulator]
    summary: str
    target_aware: bool = False


SIMULATORS: PluginRegistry[SimulatorEntry] = PluginRegistry("simulator", "crs_gym.simulators", SimulatorEntry)
"""All simulators by name: this distribution's, those of other packages, and those added with `SIMULATORS.register`."""


@dataclass(frozen=True, eq=False)
class NamedSimulator:
    """A simulator, built, with the name under which results stand."""

    name: str
    simulator: Simulator
    target_aware: bool = False


def load_simulator(
    spec: str | SimulatorEntry, catalog: Catalog, *, num_dialogues: int, max_turns: int, **options: object
) -> NamedSimulator:
    """Build a simulator.

    Args:
        spec: A registered name (`agenda`), a name with options (`agenda:noise=0.2`), `module:attribute` of your own, or
            a `SimulatorEntry`.
        catalog: What the seekers talk about.
        num_dialogues: How many dialogues it plays side by side.
        max_turns: The turn limit.
        options: Further keyword arguments of the simulator; they win over those in `spec`.

    Raises:
        UnknownNameError: No such simulator; the message suggests the nearest name.
        ValueError: What `spec` leads to is no simulator, or an option is not one of its own.
    """
    entry, label, argument = SIMULATORS.find(spec) if isinstance(spec, str) else (spec, "custom", None)
    if not isinstance(entry, SimulatorEntry):
        raise ValueError(
            f"simulator {label!r} is a {type(entry).__name__}; it must be a crs_gym.simulator.SimulatorEntry"
        )
    all_options = {**parse_options(argument or ""), **options}
    known = _option_names(entry.build)
    for name in all_options:
        if known is not None and name not in known:
            raise UnknownNameError(f"option of simulator {label!r}", name, known)
    try:
        simulator = entry.build(catalog, num_dialogues=num_dialogues, max_turns=max_turns, **all_options)
    except TypeError as error:
        raise ValueError(f"simulator {label!r} refuses its options {sorted(all_options)}: {error}") from error
    shown = ",".join(f"{name}={value}" for name, value in sorted(all_options.items()))
    name = f"{label}:{shown}" if shown else label
    return NamedSimulator(f"{name} (sees targets)" if entry.target_aware else name, simulator, entry.target_aware)


def _option_names(build: Callable[..., Simulator]) -> list[str] | None:
    """The options that a simulator takes; `None` where it takes any."""
    try:
        parameters = inspect.signature(build).parameters.values()
    except (TypeError, ValueError):  # some classes of extension modules have none
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    given = ("num_dialogues", "max_turns")
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in given]


def parse_options(text: str) -> dict[str, bool | int | float | str]:
    """`"noise=0.2,patience=4"` as keyword arguments, numbers and `true` / `false` as such.

    Raises:
        ValueError: A part has no `=`.
    """
    options: dict[str, bool | int | float | str] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"{part!r} is no option: write name=value, several joined by commas")
        options[name.strip()] = _literal(value.strip())
    return options


def _literal(text: str) -> bool | int | float | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
