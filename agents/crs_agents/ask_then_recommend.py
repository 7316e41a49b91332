"""`ask-then-recommend`: a belief over items from what the user said, and the question that would sharpen it most.

The belief puts together what speaks for an item: EASE^R over the films of the dialogue (see `ease`), the facets that
the user named for or against, the facets of the films that it liked or did not, and, a little, against what it was
shown and passed over. Asking the question of greatest expected information gain is the policy of Christakopoulou et
al., "Towards Conversational Recommender Systems" (KDD 2016), in its entropy form; belief and weights are our choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from crs_agents.belief import BeliefScorer
from crs_agents.information_gain import InformationGain
from crs_agents.ranking import CHUNK, best_new_items, show
from crs_agents.wording import question
from crs_gym.agent import AgentEntry, Observation
from crs_gym.catalog import FACET_KINDS
from crs_gym.numeric import FloatArray
from crs_gym.questions import NO_QUESTION, asked_facet
from crs_gym.simulator import parse_options
from crs_gym.turns import AgentTurn
from crs_gym.worlds.world import World

CANDIDATES: Final = 100
"""Over how many of the best items the expected gain of a question is computed; the rest hold little of the belief."""

FITS: Final = {"genre": 0.75, "director": 0.15, "star": 0.05, "decade": 0.65}
"""How likely the wanted film has the facet that people name when asked. A gain counts by so much: a favourite director
would tell most, had not nearly every good film another one. The share of targets that have the facet which the
`agenda` user names first, over 1,000 train seekers of the Sample world."""


@dataclass(frozen=True)
class AskConfig:
    """The settings, as in `ask-then-recommend:show=false,questions=2`."""

    show: bool = True
    """Whether a turn that asks shows items, too."""
    questions: int = 4
    """How many questions at most. Without `show`, half of the turns at most."""
    least_gain: float = 0.1
    """The expected gain, in bits, below which no question is asked."""

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if self.questions < 0:
            raise ValueError(f"ask-then-recommend: questions={self.questions!r} must be at least 0")
        if not self.least_gain >= 0:
            raise ValueError(f"ask-then-recommend: least_gain={self.least_gain!r} must be at least 0")


class AskThenRecommendAgent:
    """Asks while a question promises to tell enough, and recommends by its belief."""

    def __init__(self, world: World, config: AskConfig) -> None:
        self._catalog = world.catalog
        self._config = config
        self._belief = BeliefScorer(world)
        self._gain = InformationGain(world.catalog)

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        """One turn for each observation, in order."""
        turns: list[AgentTurn] = []
        for start in range(0, len(observations), CHUNK):
            turns += self._act(observations[start : start + CHUNK])
        return turns

    def _act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        scores = self._belief(observations)
        rankings = best_new_items(self._catalog, scores, observations, at_least=CANDIDATES)
        return [
            self._turn(observation, ranking, row[list(ranking[:CANDIDATES])])
            for observation, ranking, row in zip(observations, rankings, scores, strict=True)
        ]

    def _turn(self, observation: Observation, best: tuple[int, ...], scores: FloatArray) -> AgentTurn:
        ranking = best[: observation.depth]
        kind = self._question(observation, best[:CANDIDATES], scores)
        if kind is None:
            return show(self._catalog, observation, ranking)
        items = ranking[: observation.k] if self._config.show else ()
        return AgentTurn(question(kind, self._catalog, items, observation.key), items, ranking)

    def _question(self, observation: Observation, items: tuple[int, ...], scores: FloatArray) -> str | None:
        """The kind of facet to ask about now; `None` to recommend instead."""
        asked = (
            [asked_facet(m.text) for m in observation.messages if m.role == "recommender"] if observation.turn else []
        )
        asked = [kind for kind in asked[-observation.turn :] if kind != NO_QUESTION]
        last = observation.turn + 1 >= observation.max_turns
        half = not self._config.show and observation.turn >= observation.max_turns // 2
        if last or half or not items or len(asked) >= self._config.questions:
            return None
        gains = self._gain(np.array(items, np.int64), scores)
        gains *= [0.0 if kind in asked else FITS[name] for kind, name in enumerate(FACET_KINDS)]
        best = int(gains.argmax())
        return FACET_KINDS[best] if gains[best] >= self._config.least_gain else None


def parse_config(options: str) -> AskConfig:
    """`"show=false,questions=2"` as settings.

    Raises:
        ValueError: An unknown name or an unusable value.
    """
    values = parse_options(options)
    kinds = {"show": bool, "questions": int, "least_gain": float}
    for name, value in values.items():
        if name not in kinds:
            known = ", ".join(field.name for field in fields(AskConfig))
            raise ValueError(f"ask-then-recommend: no setting is named {name!r}; known: {known}")
        wanted = kinds[name]
        if isinstance(value, bool) != (wanted is bool) or not isinstance(value, (wanted, int)):
            raise ValueError(f"ask-then-recommend: {name}={value!r} must be a {wanted.__name__}")
    return AskConfig(**values)  # type: ignore[arg-type]  # checked above


def build(world: World, options: str = "") -> AskThenRecommendAgent:
    """The agent for a world; `options` as in `ask-then-recommend:show=false`.

    Raises:
        ValueError: `options` names an unknown setting, or an unusable value.
    """
    return AskThenRecommendAgent(world, parse_config(options))


ASK_THEN_RECOMMEND = AgentEntry(build, "asks about the facet that tells most, recommends by what the user said")
