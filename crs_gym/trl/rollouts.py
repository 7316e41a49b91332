"""Episodes that a language model plays as the recommender, with each token that it wrote: what a trainer learns from.

All dialogues of a batch go on together: one call of the model writes the turns of all rows, one call of the simulator
answers them. What the model has computed of an episode is kept until it ends, so a turn costs what is new in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import numpy as np

from crs_gym.agent import Observation
from crs_gym.engine import Episode
from crs_gym.errors import LanguageModelError, SimulatorError
from crs_gym.game import Game
from crs_gym.lm import Prompt, Sampling
from crs_gym.randomness import derived_key
from crs_gym.rollout import observation_of, trace_of
from crs_gym.trace import Trace
from crs_gym.trl.writer import RolloutWriter, ScoredGeneration
from crs_gym.turns import AgentTurns
from crs_gym.writing import WritingPolicy, guides_of

READ: Final = -1
"""Stands in `turn_of` for a token that the model read."""

NAME: Final = "trained"
"""The agent's name on the traces of rollouts."""


@dataclass(slots=True, eq=False)
class WrittenEpisode:
    """One episode, as a sequence of tokens and as a trace.

    Attributes:
        tokens: All tokens, in order: piece 0, written 0, piece 1, written 1, …
        turn_of: For each token the turn at which it was written, or `READ`.
        chosen: For each token whether the model chose it: it was written, and something else could have been.
        log_probabilities: For each token that was written its log-probability in nats; 0 where it was read.
        written: What was written at each turn, as text.
        finished: For each turn whether the text ended by itself, before the most tokens.
        candidates: For each turn the items that the policy offered in that order; empty where it does not tell.
        trace: What happened.
    """

    tokens: list[int] = field(default_factory=list)
    turn_of: list[int] = field(default_factory=list)
    chosen: list[bool] = field(default_factory=list)
    log_probabilities: list[float] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    finished: list[bool] = field(default_factory=list)
    candidates: list[tuple[int, ...]] = field(default_factory=list)
    trace: Trace = field(init=False)

    @property
    def errored(self) -> bool:
        """The user or the model failed: nothing is to be learned from it."""
        return self.trace.outcome == "errored"

    @property
    def prompt_length(self) -> int:
        """How many tokens come before the first written one."""
        return next((place for place, turn in enumerate(self.turn_of) if turn != READ), len(self.turn_of))

    def read(self, tokens: Sequence[int]) -> None:
        """Append a piece."""
        self.tokens += tokens
        self.turn_of += [READ] * len(tokens)
        self.chosen += [False] * len(tokens)
        self.log_probabilities += [0.0] * len(tokens)

    def write(self, turn: int, generation: ScoredGeneration) -> None:
        """Append what the model wrote at a turn."""
        self.tokens += generation.tokens
        self.turn_of += [turn] * len(generation.tokens)
        self.chosen += generation.chosen or [True] * len(generation.tokens)
        self.log_probabilities += generation.log_probabilities
        self.written.append(generation.text)
        self.finished.append(generation.finished)


class Rollouts:
    """Plays a policy's episodes.

    Args:
        game: The users and the rules; as many dialogues go on side by side as it has rows.
        policy: From observations to pieces, and from texts to turns.
        writer: The model.
        sampling: How it writes; by default as the policy says.
    """

    def __init__(
        self, game: Game, policy: WritingPolicy, writer: RolloutWriter, sampling: Sampling | None = None
    ) -> None:
        self.game = game
        self.policy = policy
        self.writer = writer
        self.sampling = sampling or policy.sampling

    def play(self, episodes: Sequence[Episode], members: Sequence[int | str]) -> list[WrittenEpisode]:
        """Play episodes to their end.

        Args:
            episodes: `n` episodes. One may stand there several times: each is a dialogue of its own with the same
                user, who draws the same noise.
            members: For each of them what tells its noise of writing from that of the others on the same episode.

        Returns:
            `n` episodes, each independent of the others.
        """
        width = self.game.engine.num_dialogues
        played: list[WrittenEpisode] = []
        for start in range(0, len(episodes), width):
            played += self._play(episodes[start : start + width], members[start : start + width])
        return played

    def _play(self, episodes: Sequence[Episode], members: Sequence[int | str]) -> list[WrittenEpisode]:
        engine = self.game.engine
        engine.active[:] = False
        engine.reset(engine.all_rows[: len(episodes)], episodes)
        played = [WrittenEpisode() for _ in episodes]
        try:
            while len(rows := np.flatnonzero(engine.active)):
                observations = [observation_of(engine, row, self.game, target_aware=False) for row in rows.tolist()]
                going = self._write(rows.tolist(), observations, played, members)
                turns = self.policy.turns(
                    [observations[i] for i in going], [played[rows[i]].written[-1] for i in going]
                )
                if going:
                    columns = AgentTurns.of(turns, self.game.config.k, len(self.game.world.catalog))
                    engine.step(columns, rows[going])
        finally:
            self.writer.forget(list(range(len(episodes))))
        for row, episode in enumerate(played):
            episode.trace = trace_of(engine, row, self.game.setting, NAME)
        return played

    def _write(
        self,
        rows: Sequence[int],
        observations: Sequence[Observation],
        played: Sequence[WrittenEpisode],
        members: Sequence[int | str],
    ) -> list[int]:
        """Write one turn in each of some rows; the places in `rows` where that worked."""
        pieces = self.policy.pieces(observations)
        offered = offered_by(self.policy, observations)
        for row, piece in zip(rows, pieces, strict=True):
            played[row].read(self.writer.encoded(piece))
        prompts = [Prompt((cast("str", tuple(played[row].tokens)),)) for row in rows]  # tokens, as they were drawn
        keys = [derived_key(seen.key, "member", members[row]) for row, seen in zip(rows, observations, strict=True)]
        guides = guides_of(self.policy, observations)
        if guides is None:
            generations = self.writer.generate(prompts, self.sampling, keys, slots=list(rows))
        else:
            generations = self.writer.generate_guided(prompts, self.sampling, keys, guides, slots=list(rows))
        going = []
        for place, (row, generation) in enumerate(zip(rows, generations, strict=True)):
            if isinstance(generation, LanguageModelError):
                self.game.engine.fail(row, SimulatorError(f"the recommender could not write: {generation}"))
            else:
                assert isinstance(generation, ScoredGeneration)
                played[row].write(observations[place].turn, generation)
                played[row].candidates.append(offered[place])
                going.append(place)
        return going


def offered_by(policy: WritingPolicy, observations: Sequence[Observation]) -> list[tuple[int, ...]]:
    """The candidates that a policy shows its model, in their order, where it says so by a method `candidates`."""
    method = getattr(policy, "candidates", None)
    if method is None:
        return [()] * len(observations)
    return [tuple(map(int, items)) for items in method(observations)]
