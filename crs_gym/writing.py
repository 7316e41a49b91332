"""What a recommender that writes with a language model must answer, so that others can train and play it.

An episode is one text that only grows. Before each of its turns a piece is appended that the model reads: first
instructions, the dialogue and candidates, later what the user has said and new candidates. Then the model writes, and
what it wrote stays. So a turn computes only what is new, and a trainer sees each token as it was drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from crs_gym.agent import Observation
from crs_gym.lm import Sampling
from crs_gym.lm.guide import Guide
from crs_gym.turns import AgentTurn


@runtime_checkable
class WritingPolicy(Protocol):
    """From observations to what a model reads, and from what it writes to turns. Both depend on one observation each.

    Attributes:
        sampling: How it writes: the most tokens, temperature, stops.
    """

    sampling: Sampling

    def pieces(self, observations: Sequence[Observation]) -> list[str]:
        """What is appended to each episode's text before the model writes this turn. Not read: key, thoughts."""
        ...

    def turns(self, observations: Sequence[Observation], written: Sequence[str]) -> list[AgentTurn]:
        """The turns that texts stand for, each with its text, whole, as `reasoning`.

        What cannot be read is repaired or replaced, and `well_formed` says whether the text had the right form.
        """
        ...


@runtime_checkable
class GuidedPolicy(WritingPolicy, Protocol):
    """A policy whose texts have a form that a model can be held to."""

    def guides(self, observations: Sequence[Observation]) -> Sequence[Guide] | None:
        """What may be written on each turn; `None` where the model is to write freely."""
        ...


def guides_of(policy: WritingPolicy, observations: Sequence[Observation]) -> Sequence[Guide] | None:
    """What a policy holds its model to on each turn; `None` where it writes freely."""
    return policy.guides(observations) if isinstance(policy, GuidedPolicy) else None


def earlier_observations(observation: Observation) -> list[Observation]:
    """What the agent saw at each of its earlier turns in this episode, oldest first; their keys are not known (0).

    The last `turn` messages of the recommender are the agent's own, whatever others said in the context before.

    Raises:
        ValueError: The dialogue holds fewer messages of the recommender than the agent has had turns.
    """
    own = [place for place, message in enumerate(observation.messages) if message.role == "recommender"]
    if len(own) < observation.turn:
        raise ValueError(
            f"turn {observation.turn} of a dialogue with {len(own)} messages of the recommender: one a turn is missing"
        )
    places = own[len(own) - observation.turn :]
    return [
        replace(
            observation,
            messages=observation.messages[:place],
            turn=turn,
            key=0,
            thoughts=observation.thoughts[:turn],
        )
        for turn, place in enumerate(places)
    ]
