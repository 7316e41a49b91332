"""What an episode is worth to the user: it is helped, and it was like people.

    outcome     it accepted a target
    success     a target was shown before it ended the dialogue
    agreement   the share of its answers that decide as the simulator of the env's settings would
    truth       the share of its statements about facets and films that its profile bears out
    likelihood  how likely its words are under that simulator, a language model: the mean over its answers of the
                geometric mean of the tokens' probabilities

Each is in [0, 1], and paid once, when the episode ends. Paid turn by turn, a term would teach users to talk on, and as
a cost of each turn to leave at once (docs/both_sides.md has the figures). No recording tells what a person would have
answered to a slate that was never shown, so "like people" is measured by the simulator that was fitted to people, and
by what the seeker knows of itself. Terms and weights are our choice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from crs_gym.agent import CandidateSource, load_agent
from crs_gym.catalog import Catalog
from crs_gym.engine import DialogueEngine, recommender_message
from crs_gym.errors import SimulatorError, UnknownNameError
from crs_gym.game import Game
from crs_gym.pettingzoo.simulated_user import SimulatedUser
from crs_gym.simulator import Likelihoods, Seeker
from crs_gym.task import Profile
from crs_gym.turns import UserTurn

USER_TERMS: Final = ("outcome", "success", "agreement", "truth", "likelihood")
"""The terms, by name."""

TRUE_OUTCOME: Final[Mapping[str, float]] = {"outcome": 1.0}
"""The default: a good user lets itself be helped, and knows when it was."""

LIKE_PEOPLE: Final[Mapping[str, float]] = {"outcome": 1.0, "agreement": 0.5, "truth": 0.5}
"""Helped, and like people, at no cost of a language model (our choice: being like people counts as much as success)."""

READER: Final = "popularity"
"""The agent whose reader of words is asked what an utterance states; agents that read share it."""


class UserReward:
    """The weighted sum of terms.

    Args:
        weights: Of the terms that are computed; one of weight 0 is only watched.
        game: The game.
        simulated: What the simulator would answer.

    Raises:
        UnknownNameError: There is no such term; the message suggests the nearest.
        ValueError: `weights` is no mapping to finite numbers, or the simulator tells no likelihoods.
    """

    def __init__(self, weights: Mapping[str, float], game: Game, simulated: SimulatedUser) -> None:
        if not isinstance(weights, Mapping):
            raise ValueError(f"user_reward={weights!r}: must map terms to weights, as in {{'outcome': 1.0}}")
        for name, weight in weights.items():
            if name not in USER_TERMS:
                raise UnknownNameError("term of the user's reward", name, USER_TERMS)
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
                raise ValueError(f"user_reward[{name!r}]={weight!r}: must be a finite number")
        self._weights = {name: float(weight) for name, weight in weights.items()}
        self._engine = game.engine
        self._catalog = game.world.catalog
        self._simulated = simulated
        self._simulator = game.simulator
        self._likelihoods = game.simulator.simulator
        if "likelihood" in weights and not isinstance(self._likelihoods, Likelihoods):
            raise ValueError(
                f"user_reward['likelihood']: the simulator {game.simulator.name!r} tells no likelihoods. Way out: "
                "simulator='sft' or 'zero-shot'"
            )
        self._reader = _reader(game) if "truth" in weights else None
        found = {"agreement": self._agreement, "truth": self._truth, "likelihood": self._likelihood}
        self._of_answers = {name: term for name, term in found.items() if name in weights}
        self._heard: dict[str, list[float]] = {}

    def begin(self) -> None:
        """An episode begins."""
        self._heard = {name: [] for name in self._of_answers}

    def hear(self, turn: UserTurn) -> None:
        """An answer is about to be given to the turn that waits for one."""
        for name, term in self._of_answers.items():
            self._heard[name] += term(turn)

    def at_end(self) -> tuple[float, dict[str, float]]:
        """The reward of the episode that is over, and its terms. What cannot be told is left out.

        Nothing is told of an errored episode, nor of a share of nothing: who states nothing says nothing true or false.
        """
        engine = self._engine
        if engine.outcome(0) == "errored":
            return 0.0, {}
        terms = {"outcome": true_outcome(engine), "success": float(engine.success[0])}
        terms |= {name: sum(values) / len(values) for name, values in self._heard.items() if values}
        terms = {name: value for name, value in terms.items() if name in self._weights}
        return sum(self._weights[name] * value for name, value in terms.items()), terms

    # ---------------------------------------------------------------- the terms

    def _agreement(self, turn: UserTurn) -> list[float]:
        """Whether it decides as the simulator would; nothing where the simulator fails."""
        would = self._simulated.answer()
        if would is None or isinstance(would, SimulatorError):
            return []
        return [float((turn.decision, turn.accepted) == (would.decision, would.accepted))]

    def _truth(self, turn: UserTurn) -> list[float]:
        """Of each statement whether it is true."""
        assert self._reader is not None
        opinion = self._reader.said(turn.utterance, turn.items)
        profile = self._engine.task(0).profile
        about = [*opinion.items, *((item, opinion.verdict) for item in self._shown() if opinion.verdict)]
        known = [(_item_sign(profile, item), sign) for item, sign in about]
        known += [(_facet_sign(profile, facet, self._catalog), sign) for facet, sign in opinion.facets]
        return [float(truth == sign) for truth, sign in known if truth is not None]

    def _likelihood(self, turn: UserTurn) -> list[float]:
        """The geometric mean of the probabilities of the answer's tokens."""
        engine, waiting = self._engine, self._engine.waiting
        assert isinstance(self._likelihoods, Likelihoods)
        messages = engine.messages(0)
        if waiting is not None:
            messages = (*messages, recommender_message(waiting, 0, self._catalog))
        episode = engine.episode(0)
        targets = episode.task.targets if self._simulator.target_aware else ()
        seeker = Seeker(messages, episode.task.profile, episode.key, targets)
        try:
            (said,) = self._likelihoods.said([seeker], [turn.utterance])
        except SimulatorError:
            return []
        return [math.exp(min(said.log_likelihood / said.tokens, 0.0))] if said.tokens else []

    def _shown(self) -> tuple[int, ...]:
        waiting = self._engine.waiting
        return () if waiting is None else waiting.shown(0)


def true_outcome(engine: DialogueEngine) -> float:
    """1 when the user has just accepted a target, else 0."""
    if engine.outcome(0) != "accepted":
        return 0.0
    accepted = engine.log(0)[-1].user()
    return float(accepted is not None and accepted.accepted in engine.task(0).targets)


def _reader(game: Game) -> CandidateSource:
    reader: Any = getattr(load_agent(READER, game.world).agent, "candidates", None)
    assert isinstance(reader, CandidateSource)
    return reader


def _facet_sign(profile: Profile, facet: int, catalog: Catalog) -> int:
    """1 for a facet that the seeker likes, -1 for one that it avoids, 0 where it cares about neither."""
    if profile.taste is not None:
        own = profile.taste.weights[profile.taste.facets == facet]
        return _sign(float(own[0])) if len(own) else 0
    return _sign(sum(_having(profile.likes, facet, catalog)) - sum(_having(profile.dislikes, facet, catalog)))


def _having(items: tuple[int, ...], facet: int, catalog: Catalog) -> Iterator[bool]:
    return (facet in catalog.facets_of(item) for item in items)


def _item_sign(profile: Profile, item: int) -> int | None:
    """1 for a film that the seeker likes, -1 for one that it does not; `None` where nobody knows."""
    if item in profile.likes or item in profile.dislikes:
        return 1 if item in profile.likes else -1
    taste = profile.taste
    return None if taste is None else 1 if taste.utility[item] >= taste.like_bar else -1


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)
