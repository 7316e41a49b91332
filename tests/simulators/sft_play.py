"""The learned user over a model of the test's making."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from crs_gym.lm import READ, Prompt
from crs_gym.lm.interface import Read
from crs_gym.lm.scripted import LEAST, ScriptedModel
from crs_gym.randomness import derived_key
from crs_gym.simulator import Seeker
from crs_gym.task import Message, Profile
from crs_gym.turns import AgentTurn, AgentTurns, UserTurn
from crs_gym.worlds import load_world
from crs_simulators.sft import prompts
from crs_simulators.sft.decisions import WORDS
from crs_simulators.sft.simulator import SFTSimulator

WORLD = load_world("sample")
CATALOG = WORLD.catalog
ITEM = {name: item for item, name in enumerate(CATALOG.names)}
HEAT, MATRIX, UP, ALIEN, JAWS = (
    ITEM[name] for name in ("Heat (1995)", "The Matrix (1999)", "Up (2009)", "Alien (1979)", "Jaws (1975)")
)
KNOWN: Final = Profile(likes=(MATRIX, ALIEN), dislikes=(UP,))
HELLO: Final = (Message("user", "Hi, something with robots?"),)

Views = tuple[float, float, float]
"""Probabilities of yes, seen and no."""

SURE_NO: Final = (0.0, 0.0, 1.0)


class Opinions(ScriptedModel):
    """Thinks of each film what it is told to, and does what it is told to.

    Args:
        views: By film; of others it thinks `other`.
        does: Probabilities by decision, wherever a user's line begins.
        lines: See `ScriptedModel`.
        failing: See `ScriptedModel`.
        revision: See `ScriptedModel`.

    Attributes:
        wrote: The prompts that were continued.
    """

    def __init__(
        self,
        views: Mapping[int, Views] | None = None,
        does: Mapping[str, float] | None = None,
        *,
        other: Views = SURE_NO,
        lines: Any = ("Hm.",),
        failing: Any = None,
        revision: str = "opinions-1",
    ) -> None:
        super().__init__(lines, failing=failing, revision=revision)
        self._views = {CATALOG.names[item]: view for item, view in (views or {}).items()}
        self._does = does or {}
        self._other = other
        self.wrote: list[Prompt] = []

    def _read(self, prompt: Any, words: Sequence[str]) -> Any:
        rows = []
        for before, part in zip(prompt.parts, prompt.parts[1:], strict=False):
            if isinstance(part, Read):
                odds = self._odds_at(before)
                rows.append([odds.get(word, 0.0) for word in words])
        return np.log(np.maximum(np.array(rows), LEAST))

    def _odds_at(self, line: str) -> Mapping[str, float]:
        if line == prompts.HEADER:
            return self._does
        (view,) = [view for name, view in self._views.items() if f". {name}," in line] or [self._other]
        return dict(zip(prompts.VIEWS, view, strict=True))

    def generate(self, prompts: Any, sampling: Any, keys: Any, *, slots: Any = None) -> Any:
        self.wrote += prompts
        return super().generate(prompts, sampling, keys, slots=slots)


def seeker(
    number: int = 0, context: tuple[Message, ...] = HELLO, profile: Profile | None = None, targets: Sequence[int] = ()
) -> Seeker:
    """A seeker whose noise is its number's."""
    return Seeker(context, profile or Profile(), derived_key("seeker", number), tuple(targets))


PLAIN: Final = {"alignment": False, "temperature": 1.0}
"""With these options the user's views are the model's alone, as they are."""


def seated(model: Any, *seekers: Seeker, **options: Any) -> SFTSimulator:
    """The user, with seekers in its rows; `PLAIN` by default."""
    rows = seekers or (seeker(),)
    user = SFTSimulator(CATALOG, num_dialogues=len(rows), max_turns=5, model=model, **PLAIN | options)
    user.reset(np.arange(len(rows)), rows)
    return user


def reply(user: SFTSimulator, *turns: AgentTurn) -> list[UserTurn]:
    """What the user answers to a turn in each of its rows."""
    users = user.reply(np.arange(len(turns)), AgentTurns.of(list(turns), 10, len(CATALOG)))
    assert not users.errors
    return [users.turn(i) for i in range(len(turns))]


def rendered(prompt: Any) -> str:
    """A prompt, with `<?>` where probabilities are read."""
    return "".join("<?>" if part is READ else part for part in prompt.parts)


def logs_of(**probabilities: float) -> np.ndarray[Any, Any]:
    """`(len(WORDS),)` log-probabilities by word."""
    return np.log(np.maximum([probabilities.get(word.strip(), 0.0) for word in WORDS], LEAST))
