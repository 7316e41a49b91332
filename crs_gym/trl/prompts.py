"""Episodes as prompts: trl hands a rollout function texts and nothing else, so a text names the episode."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from crs_gym.engine import Episode
from crs_gym.game import Game

_FORM: Final = re.compile(r"crs:(?P<seed>\d+)/(?P<number>\d+)(?:/(?P<task>.+))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class EpisodePrompt:
    """One episode, named by a text: `crs:SEED/NUMBER`, or `crs:SEED/NUMBER/TASK`.

    Attributes:
        seed: With `number`, keys the user's noise and, where no task is named, the task.
        number: The number of the episode under that seed.
        task: A task of one's choice by its id; by default the one that `reset` would give.
    """

    seed: int
    number: int
    task: str | None = None

    def __str__(self) -> str:
        return f"crs:{self.seed}/{self.number}" + ("" if self.task is None else f"/{self.task}")

    @classmethod
    def of(cls, text: str) -> EpisodePrompt:
        """The episode that a text names.

        Raises:
            ValueError: It names none.
        """
        found = _FORM.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise ValueError(
                f"the prompt {text!r} names no episode. Way out: a column `prompt` of crs:SEED/NUMBER, as "
                "crs_gym.trl.prompts.episode_prompts makes it"
            )
        return cls(int(found["seed"]), int(found["number"]), found["task"])


def episode_prompts(seed: int, count: int, first: int = 0) -> list[dict[str, str]]:
    """Rows for a `datasets.Dataset`: the episodes `first`, `first + 1`, … of a seed, each of them new.

    Args:
        seed: Of the episodes.
        count: How many.
        first: The number of the first one.
    """
    return [{"prompt": str(EpisodePrompt(seed, number))} for number in range(first, first + count)]


def episodes_of(game: Game, prompts: Iterable[str]) -> list[Episode]:
    """The episodes that prompts name, in order; equal prompts share one.

    Raises:
        ValueError: A prompt names no episode.
        WorldError: The world has no such task.
    """
    texts = list(prompts)
    named = {text: EpisodePrompt.of(text) for text in dict.fromkeys(texts)}
    drawn: Sequence[str] = [text for text, prompt in named.items() if prompt.task is None]
    made = game.episodes([(named[text].seed, named[text].number) for text in drawn])
    episodes = dict(zip(drawn, made, strict=True))
    for text, prompt in named.items():
        if prompt.task is not None:
            episodes[text] = game.episode_on(prompt.task, prompt.seed, prompt.number)
    return [episodes[text] for text in texts]
