"""The policy between observations and a language model: a `crs_gym.writing.WritingPolicy`."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Final

from crs_agents.ranking import Scorer
from crs_agents.smtpo import prompts
from crs_agents.smtpo.candidates import Candidates, Recall
from crs_agents.smtpo.grammar import Thought, parse
from crs_agents.smtpo.guide import TurnGuide
from crs_agents.smtpo.options import Explore, PolicyOptions
from crs_agents.smtpo.preferences import PreferenceReader
from crs_agents.smtpo.truth import is_true
from crs_agents.smtpo.wording import utterance
from crs_gym.agent import Observation
from crs_gym.catalog import Catalog
from crs_gym.lm import Sampling
from crs_gym.randomness import derived_key
from crs_gym.task import Message
from crs_gym.turns import AgentTurn

SAMPLING: Final = Sampling(max_tokens=160, temperature=1.0, min_p=0.01, stop=(prompts.END_OF_LINE,))
"""How the model writes: as it believes, without what is a hundred times less probable than the most probable token (our
choice: one slip in eighty tokens costs the form). What is taught takes about 80 tokens."""


class SmtpoPolicy:
    """Prompts from observations, and turns from texts; each from one observation alone.

    Args:
        catalog: What is recommended.
        score: Recalls candidates: scores all items for each observation by itself.
        options: The form of the prompts.
        sampling: How the model writes.
        salt: Another number gives other orders of the candidates.
        guided: Whether the model is held to the grammar (`guide.py`); else it writes freely, and is repaired.
        explore: What is drawn of a text that is held to it, where `sampling` draws at all.

    Attributes:
        revision: Changes with what is read, and with how it is written.
    """

    def __init__(
        self,
        catalog: Catalog,
        score: Scorer,
        options: PolicyOptions,
        *,
        sampling: Sampling = SAMPLING,
        salt: int = 0,
        guided: bool = True,
        explore: Explore = "all",
    ) -> None:
        self.sampling = sampling
        how = (guided,) if explore == "all" else (guided, explore)
        self.revision = f"smtpo-{prompts.VERSION}+{derived_key(repr(options), salt, *how):032x}"[:24]
        self._guided = guided
        self._explore = explore
        self._listed = options.listed
        self.recall = Recall(catalog, score, options.n, salt)
        self._catalog = catalog
        self._fit = options.fit
        self._tells_asked = options.asked
        self._preferences = PreferenceReader(catalog)

    def pieces(self, observations: Sequence[Observation]) -> list[str]:
        """See `WritingPolicy.pieces`."""
        return [self._piece(o, found) for o, found in zip(observations, self.recall(observations), strict=True)]

    def candidates(self, observations: Sequence[Observation]) -> list[tuple[int, ...]]:
        """The items that each piece offers, in the order of their numbers."""
        return [found.items for found in self.recall(observations)]

    def guides(self, observations: Sequence[Observation]) -> list[TurnGuide] | None:
        """What may be written on each turn; see `crs_gym.writing.GuidedPolicy`."""
        if not self._guided:
            return None
        return [
            TurnGuide(
                self._catalog,
                found,
                self._preferences(observation),
                self._listed,
                asked=prompts.asked_before(observation) if self._tells_asked else None,
                fit=self._fit,
                explore=self._explore,
            )
            for observation, found in zip(observations, self.recall(observations), strict=True)
        ]

    def turns(self, observations: Sequence[Observation], written: Sequence[str]) -> list[AgentTurn]:
        """See `WritingPolicy.turns`. What the answer leaves out follows in the order of recall."""
        return [
            self._turn(observation, found, text)
            for observation, found, text in zip(observations, self.recall(observations), written, strict=True)
        ]

    def _piece(self, observation: Observation, found: Candidates) -> str:
        spoken_of = self._spoken_of(observation)
        lines = [
            prompts.candidate_line(number, item, self._catalog, fit if self._fit else None, spoken_of)
            for number, (item, fit) in enumerate(zip(found.items, found.fits, strict=True), 1)
        ]
        if observation.turn == 0:
            return prompts.opening(observation.messages, lines, fit=self._fit)
        return prompts.follow_up(_said_since(observation), lines)

    def _is_true(self, thought: Thought, observation: Observation, found: Candidates) -> bool:
        asked = prompts.asked_before(observation)
        return is_true(thought, found, self._catalog, self._spoken_of(observation), asked)

    def _spoken_of(self, observation: Observation) -> Set[int]:
        said = self._preferences(observation)
        return said.likes.keys() | said.dislikes.keys()

    def _turn(self, observation: Observation, found: Candidates, text: str) -> AgentTurn:
        parsed = parse(text, len(found.items))
        chosen = [found.items[number - 1] for number in parsed.thought.answer]
        ranking = tuple(dict.fromkeys([*chosen, *found.ranking]))[: max(observation.depth, observation.k)]
        items = ranking[: observation.k]
        return AgentTurn(
            utterance=utterance(self._catalog, items, parsed.thought.likes, parsed.thought.ask),
            items=items,
            ranking=ranking,
            reasoning=text,
            well_formed=parsed.form == "right" and self._is_true(parsed.thought, observation, found),
        )


def _said_since(observation: Observation) -> Sequence[Message]:
    """What was said after the recommender's last message."""
    messages = observation.messages
    last = max((place for place, message in enumerate(messages) if message.role == "recommender"), default=-1)
    return messages[last + 1 :]
