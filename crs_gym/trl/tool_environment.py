"""The environment as trl's own tool-calling environments are written: `GRPOTrainer(environment_factory=…)`.

For those who start from trl's side: the model talks to the user through a tool. trl asks each environment by itself,
one after the other, and computes every turn's whole text anew; it ends a dialogue at the first turn without a tool
call, and credits a sequence with the sum of its rewards. `crs_gym.trl.training` is faster and credits turns; see
docs/trl.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from crs_gym.config import EnvConfig
from crs_gym.engine import Episode
from crs_gym.game import Game
from crs_gym.reading import read_text
from crs_gym.trl.prompts import EpisodePrompt, episodes_of
from crs_gym.turns import AgentTurn, AgentTurns

_ROWS: Final = np.zeros(1, np.int64)

OVER: Final = "The dialogue is over. Answer with one short sentence, without a tool."
"""What the tool says behind the user's last words."""


class ToolEnvironment:
    """One dialogue at a time, as trl's trainer calls it: `reset`, the tool `recommend`, `get_reward`.

    Args:
        config: World, user, rules and rewards.
    """

    def __init__(self, config: EnvConfig) -> None:
        self._game = Game(config, num_dialogues=1)
        self._rewards: list[float] = []

    def reset(self, episode: str, **columns: object) -> str:
        """Begin an episode.

        Args:
            episode: Which one, from the dataset's column `episode`, see `EpisodePrompt`: trl repeats a row for each
                member of a group, so they all meet the same user.
            columns: The row's other columns; not read.

        Returns:
            The dialogue so far, which trl appends to the prompt's last message.

        Raises:
            ValueError: The text names no episode.
        """
        del columns
        engine = self._game.engine
        begun: list[Episode] = episodes_of(self._game, [str(EpisodePrompt.of(episode))])
        engine.reset(_ROWS, begun)
        self._rewards = []
        return engine.dialogue(0)

    def recommend(self, message: str, titles: list[str]) -> str:
        """Say something to the user, and show films.

        Args:
            message: What the user reads.
            titles: The titles of the films to show, the best one first.

        Returns:
            What the user answers.
        """
        engine, game = self._game.engine, self._game
        if not engine.active[0]:
            return OVER
        result = engine.step(AgentTurns.of([self._turn(message, titles)], game.config.k, len(game.world.catalog)))
        if result.errors:
            return OVER
        self._rewards.append(float(result.rewards[0]))
        user = engine.log(0)[-1].user()
        said = "" if user is None else user.utterance
        return f"{said}\n{OVER}".lstrip() if result.done[0] else said

    def get_reward(self) -> float | None:
        """The sum of the rewards so far; `None` if the user failed."""
        return None if self._game.engine.outcome(0) == "errored" else sum(self._rewards)

    def _turn(self, message: object, titles: object) -> AgentTurn:
        """The turn that the tool's arguments stand for; a model may give anything."""
        catalog, k = self._game.world.catalog, self._game.config.k
        if not isinstance(message, str) or not isinstance(titles, list):
            return AgentTurn("", understood=False)
        found = [read_text(title, catalog, 1) for title in titles if isinstance(title, str)]
        items = tuple(dict.fromkeys(item for turn in found for item in turn.items))
        whole = len(found) == len(titles) and all(turn.understood and turn.items for turn in found)
        return AgentTurn(message, items[:k], understood=whole and len(titles) <= k)


def environment_factory(config: EnvConfig) -> Callable[[], ToolEnvironment]:
    """What `GRPOTrainer(environment_factory=…)` takes: makes one environment a rollout, and trl uses each again."""
    return lambda: ToolEnvironment(config)
