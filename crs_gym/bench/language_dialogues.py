"""Conversations of the `sft` user with a recommender that shows the same few films at each turn.

The user is asked directly, without the rules of the game: each dialogue has all its turns, whatever the user decides,
so that both sides of a comparison do the same work.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from crs_gym.bench.language import (
    Comparison,
    Load,
    Rates,
    Sameness,
    compared,
    in_rounds,
    same_words,
    sft_with,
    timed,
)
from crs_gym.engine import Episode, needs_opening
from crs_gym.lm import Chat, Generation, LanguageModel, Prompt, Sampling
from crs_gym.randomness import derived_key, generator
from crs_gym.simulator import Seeker, SimulatorEntry, load_simulator
from crs_gym.turns import AgentTurn, AgentTurns

if TYPE_CHECKING:
    from crs_gym.errors import LanguageModelError
    from crs_gym.lm.transformers_model import TransformersModel
    from crs_gym.numeric import DoubleArray
    from crs_gym.simulator import Simulator
    from crs_gym.worlds.world import World

KEPT_WANTED: Final = 1.4

SINGLES: Final = 4
"""How many dialogues, one after the other, make up the side that plays one at a time."""

WORDS: Final = "How about one of these?"


class Forgetful:
    """A model that keeps nothing between calls."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    @property
    def revision(self) -> str:
        """Of the model."""
        return self._model.revision

    def read(
        self, prompts: Sequence[Prompt | Chat], words: Sequence[str], *, slots: Sequence[Hashable] | None = None
    ) -> list[DoubleArray | LanguageModelError]:
        """See `LanguageModel`."""
        del slots
        return self._model.read(prompts, words)

    def generate(
        self,
        prompts: Sequence[Prompt | Chat],
        sampling: Sampling,
        keys: Sequence[int],
        *,
        slots: Sequence[Hashable] | None = None,
    ) -> list[Generation | LanguageModelError]:
        """See `LanguageModel`."""
        del slots
        return self._model.generate(prompts, sampling, keys)

    def forget(self, slots: Sequence[Hashable]) -> None:
        """There is nothing."""


def measure_kept_cache(
    model: TransformersModel, adapter: Path | None, world: World, load: Load
) -> Iterator[Comparison | Sameness]:
    """Episodes with the keys and values of earlier turns kept, against episodes that compute them anew."""
    seekers = seekers_of(world, load.rows)
    users = {"kept": sft_with(model, adapter), "anew": sft_with(Forgetful(model), adapter)}
    for rows in sorted({1, load.rows}):
        played = seekers[: SINGLES if rows == 1 else rows]
        sides = {name: partial(_rates, user, world, played, rows, load) for name, user in users.items()}
        for warm_up in sides.values():
            warm_up()
        done = in_rounds(sides, load.rounds)
        told = f"{load.turns}-turn episodes, {'one dialogue' if rows == 1 else f'{rows} dialogues'}"
        yield compared(f"{told}: cache kept against anew", "turns/s", done, ("kept", "anew"), "turns", KEPT_WANTED)
    texts = [conversations(user, world, seekers, load.rows, load) for user in users.values()]
    yield same_words(f"the same words with the cache kept and anew, {load.rows} dialogues", *texts)


def measure_sameness(
    models: Sequence[TransformersModel], adapter: Path | None, world: World, load: Load
) -> Iterator[Sameness]:
    """The same conversations alone and among `rows`, with each of some models, which differ in their numbers' type."""
    seekers = seekers_of(world, load.rows)
    places = list(range(0, load.rows, max(load.rows // load.alone, 1)))[: load.alone]
    for model in dict.fromkeys(models):
        user = sft_with(model, adapter)
        together = conversations(user, world, seekers, load.rows, load)
        alone = conversations(user, world, [seekers[place] for place in places], 1, load)
        name = f"the same words alone and among {load.rows}, {str(model._dtype).removeprefix('torch.')}"
        yield same_words(name, [together[place] for place in places], alone)


def seekers_of(world: World, rows: int) -> list[Seeker]:
    """Seekers of the test split who have spoken already."""
    tasks = world.tasks("test")
    found: list[Seeker] = []
    number = 0
    while len(found) < rows:
        task = tasks[number % len(tasks)]
        if not needs_opening(task):
            found.append(Seeker(task.context, task.profile, Episode(task, 0, number).key))
        number += 1
    return found


def slate_of(seeker_key: int, turn: int, n_items: int, k: int) -> tuple[int, ...]:
    """What is shown: films of the whole catalogue, drawn by the dialogue and the turn."""
    drawn = generator(derived_key("bench", seeker_key, turn)).choice(n_items, k, replace=False)
    return tuple(drawn.tolist())


def conversations(
    entry: SimulatorEntry, world: World, seekers: Sequence[Seeker], rows: int, load: Load
) -> list[list[str]]:
    """What each user says at each turn, `rows` of them at a time.

    Raises:
        SimulatorError: A user could not answer.
    """
    named = load_simulator(entry, world.catalog, num_dialogues=rows, max_turns=load.turns)
    said: list[list[str]] = []
    for start in range(0, len(seekers), rows):
        said += _played(named.simulator, world, seekers[start : start + rows], load)
    return said


def _played(user: Simulator, world: World, seekers: Sequence[Seeker], load: Load) -> list[list[str]]:
    """One batch of conversations."""
    rows: Any = np.arange(len(seekers))
    user.reset(rows, seekers)
    said: list[list[str]] = [[] for _ in seekers]
    n_items = len(world.catalog)
    for turn in range(load.turns):
        acted = [AgentTurn(WORDS, slate_of(seeker.key, turn, n_items, load.slate)) for seeker in seekers]
        answers = user.reply(rows, AgentTurns.of(acted, load.slate, n_items))
        for error in answers.errors.values():
            raise error
        for row, texts in enumerate(said):
            texts.append(answers.turn(row).utterance)
    return said


def _rates(entry: SimulatorEntry, world: World, seekers: Sequence[Seeker], rows: int, load: Load) -> Rates:
    """Turns a second."""
    seconds, said = timed(lambda: conversations(entry, world, seekers, rows, load))
    return {"turns": sum(map(len, said)) / seconds}
