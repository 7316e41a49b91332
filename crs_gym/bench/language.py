"""How fast language models here are, and whether company changes what they say: all figures from one process.

Machines are noisy and differ, so speeds are compared in alternating rounds, and the median of the rounds' ratios
counts.

language.py             the figures, and how they are compared
language_decoding.py    tokens a second, against transformers' own `generate` and against one row
language_dialogues.py   episodes with and without the kept cache; the same words alone and in company
language_envs.py        turns a second of a vector against single envs; memory of many single envs
"""

from __future__ import annotations

import inspect
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from crs_gym.errors import WeightsError
from crs_gym.simulator import SIMULATORS, SimulatorEntry
from crs_gym.worlds import load_world
from crs_gym.worlds.files.store import is_at_hand

if TYPE_CHECKING:
    from crs_gym.lm import LanguageModel
    from crs_gym.lm.transformers_model import TransformersModel
    from crs_gym.worlds.world import World

T = TypeVar("T")

MODEL: Final = "smollm2-135m-instruct"
"""What is measured if nothing is named."""

RECORDED: Final = "redial"
"""The world whose dialogues are measured with, where its files are at hand; else `Sample`."""

Rates = Mapping[str, float]
"""What one side of a comparison did in one round: units a second, by what was counted."""


@dataclass(frozen=True)
class Load:
    """How much is measured.

    Attributes:
        rows: Dialogues side by side.
        prompt_tokens: About how long prompts are where bare decoding is measured.
        new_tokens: How many tokens each row writes there.
        rounds: How many rounds alternate.
        turns: Of an episode.
        alone: How many of the `rows` dialogues are also played alone.
        slate: How many films a turn shows.
    """

    rows: int = 64
    prompt_tokens: int = 142
    new_tokens: int = 32
    rounds: int = 5
    turns: int = 5
    alone: int = 16
    slate: int = 3

    def quick(self) -> Load:
        """So little that it only shows that everything runs."""
        rows = min(self.rows, 4)
        return replace(self, rows=rows, new_tokens=min(self.new_tokens, 8), rounds=1, alone=min(self.alone, 2))


@dataclass(frozen=True)
class Comparison:
    """One side against another.

    Attributes:
        name: What is compared.
        unit: What `ours` and `theirs` count.
        ours: Units a second, the median of the rounds.
        theirs: The same for what it is compared with.
        ratio: The median of the rounds' ratios.
        wanted: The ratio that is to be reached; `None` where none is set.
        rounds: How many there were.
    """

    name: str
    unit: str
    ours: float
    theirs: float
    ratio: float
    wanted: float | None
    rounds: int

    def row(self) -> tuple[str, str, str, str, str]:
        """Name, ours, theirs, ratio and what is wanted, for a table."""
        wanted = "" if self.wanted is None else f"≥ {self.wanted:g}"
        return (
            self.name,
            f"{self.ours:,.1f} {self.unit}",
            f"{self.theirs:,.1f} {self.unit}",
            f"{self.ratio:.2f}",
            wanted,
        )


@dataclass(frozen=True)
class Sameness:
    """How many conversations are the same, word by word, in two ways of playing them.

    A conversation is compared up to its first turn that differs: what follows has another history.

    Attributes:
        name: The two ways.
        conversations: How many were compared.
        same: How many are the same to the end.
        turns: How many turns were compared.
    """

    name: str
    conversations: int
    same: int
    turns: int

    @property
    def rate(self) -> float:
        """Differing turns, as a share of the turns that were compared."""
        return (self.conversations - self.same) / self.turns

    def row(self) -> tuple[str, str, str, str, str]:
        """As `Comparison.row`."""
        differing = f"{self.conversations - self.same} of {self.turns} turns differ"
        share = f"{self.same / self.conversations:.3f}"
        return self.name, f"{self.same} of {self.conversations} the same", differing, share, "1"


@dataclass(frozen=True)
class Memory:
    """The peak of resident memory of fresh processes with single envs, in MB (2**20 bytes).

    Attributes:
        envs: How many.
        one: One env that has played a turn.
        begun: `envs` of them have begun an episode, one has played a turn.
        played: All have played a turn: what is kept of each dialogue is there, too.
        weights: The size of the model's weights.
    """

    envs: int
    one: float
    begun: float
    played: float
    weights: float

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """As `Comparison.row`: first the envs alone, then with what is kept of their dialogues."""
        each = (self.played - self.begun) / max(self.envs - 1, 1)
        name = f"memory of {self.envs} single envs against one"
        return [
            (name, f"{self.begun:.0f} MB", f"{self.one:.0f} MB", f"{self.begun - self.one:+.0f} MB", self._wanted()),
            (
                "… after a turn in each, with the keys and values kept of it",
                f"{self.played:.0f} MB",
                f"{self.one:.0f} MB",
                f"{self.played - self.one:+.0f} MB, {each:.1f} MB a dialogue",
                "",
            ),
        ]

    def _wanted(self) -> str:
        return f"< {self.weights:.0f} MB (one model)"


Figure = Comparison | Sameness | Memory


def measure_language(model: str = MODEL, adapter: Path | None = None, load: Load | None = None) -> Iterator[Figure]:
    """Measure a language model, and the `sft` user with it.

    Args:
        model: A name or path (see `crs_gym.lm.loading.load_language_model`).
        adapter: A LoRA adapter; by default the one that `sft` plays with, if `model` is what that was trained on.
        load: How much is measured.

    Raises:
        WeightsError: The model is not on this machine, or runs on a server.
    """
    from crs_gym.bench.language_decoding import measure_decoding
    from crs_gym.bench.language_dialogues import measure_kept_cache, measure_sameness
    from crs_gym.bench.language_envs import measure_envs, measure_memory

    load = load or Load()
    adapter = adapter or own_adapter(model)
    loaded, world = local_model(model, adapter), dialogues_to_measure()
    yield from measure_decoding(loaded, world, load)
    yield from measure_kept_cache(loaded, adapter, world, load)
    yield from measure_sameness((loaded, local_model(model, adapter, "float32")), adapter, world, load)
    yield measure_envs(model, adapter, load)
    yield measure_memory(model, adapter, load)


def local_model(name: str, adapter: Path | None, dtype: str = "auto") -> TransformersModel:
    """Weights on this machine.

    Raises:
        WeightsError: They are not, or `name` is that of a server's model.
    """
    from crs_gym.lm.loading import ENDPOINT, load_language_model

    if name.startswith(ENDPOINT):
        raise WeightsError(f"{name} runs on a server, whose speed is its own. Way out: name weights on this machine")
    model: TransformersModel = load_language_model(name, adapter=adapter, dtype=dtype)  # type: ignore[assignment]
    return model


def sft() -> SimulatorEntry:
    """The learned user's registration."""
    entry, _, _ = SIMULATORS.find("sft")
    assert isinstance(entry, SimulatorEntry)
    return entry


def sft_with(model: LanguageModel, adapter: Path | None) -> SimulatorEntry:
    """The learned user with a model that is there already; of the adapter it reads what lies beside the weights."""
    options = {"model": model, **({"adapter": adapter} if adapter else {})}
    return replace(sft(), build=partial(sft().build, **options))


def own_adapter(model: str) -> Path | None:
    """The adapter that `sft` plays with by default, where it was trained on `model`."""
    defaults = inspect.signature(sft().build).parameters
    return Path(defaults["adapter"].default) if defaults["base"].default == model else None


def dialogues_to_measure() -> World:
    """The world that prompts and seekers come from."""
    return load_world(RECORDED if is_at_hand(RECORDED) else "sample")


def machine(model: str) -> str:
    """What the figures were taken with, on one line."""
    import torch
    import transformers

    where = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    return f"{model} on {where}; torch {torch.__version__}, transformers {transformers.__version__}"


def in_rounds(sides: Mapping[str, Callable[[], Rates]], rounds: int) -> list[dict[str, Rates]]:
    """Run all sides, one after the other, `rounds` times; what each did in each round."""
    return [{name: side() for name, side in sides.items()} for _ in range(rounds)]


def compared(
    name: str,
    unit: str,
    done: Sequence[Mapping[str, Rates]],
    sides: tuple[str, str],
    counted: str,
    wanted: float | None = None,
) -> Comparison:
    """Two sides of the rounds in `done`, by one of the things that were counted."""
    pairs = [(of_round[sides[0]][counted], of_round[sides[1]][counted]) for of_round in done]
    return Comparison(
        name=name,
        unit=unit,
        ours=statistics.median(our for our, _ in pairs),
        theirs=statistics.median(their for _, their in pairs),
        ratio=statistics.median(our / their for our, their in pairs),
        wanted=wanted,
        rounds=len(pairs),
    )


def same_words(name: str, ones: Sequence[Sequence[str]], others: Sequence[Sequence[str]]) -> Sameness:
    """Compare conversations, each as its texts in order."""
    same = turns = 0
    for one, other in zip(ones, others, strict=True):
        differs = next((turn for turn, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), None)
        same += differs is None
        turns += len(one) if differs is None else differs + 1
    return Sameness(name, len(ones), same, turns)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds, and what came of it."""
    start = time.perf_counter()
    done = work()
    return time.perf_counter() - start, done
