"""The Gymnasium face of the Discrete view: one dialogue."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crs_gym.discrete.settings import DiscreteConfig
from crs_gym.discrete.view import DiscreteView
from crs_gym.env import ConversationEnv
from crs_gym.worlds.world import World


class DiscreteEnv(ConversationEnv):
    """The game of `ConversationEnv` as numbers: a policy picks from candidates, or asks about a facet.

    ## Description
    Episodes, users, rewards and information are those of `ConversationEnv`. A retriever proposes C films that fit what
    the user has said so far; the policy says which of them to recommend first, or which facet to ask about. It speaks
    through templates, so that its traces are dialogues, too.

    ## Observation space
    `Dict` of float32 boxes. What is known is only what stands in the dialogue. C candidates, F = 4 kinds of facet, B
    genres and decades (32 in Sample).

    - `liked` (B,), in [0, 1]: for each genre, then each decade, the user's statements for it less those against it, in
      units of two, if positive; more count as two.
    - `disliked` (B,), in [0, 1]: the same, if negative, without its sign.
    - `candidates` (C, 9), in [-1, 1], best first, each: present (1, else all are 0), closeness (its odds relative to
      the best candidate's), popularity (1 for the most popular item, towards 0 by rank), genre_said, director_said,
      star_said, decade_said (statements for its facets of that kind less those against, in units of two), like_liked
      and like_disliked (mean likeness to the films that the user spoke for, and against).
    - `asked` (F,), in [0, 1]: questions asked about each of genre, director, star, decade, in units of two.
    - `reaction` (3,), 0 or 1, the user's last turn: film_for, film_against (spoke for, against a film), facet_named.
    - `turn` (1,), in [0, 1]: turns taken, over `max_turns`.
    - `shown` (1,), in [0, 1]: films shown, over `k * max_turns`.
    - `action_mask` (C + F,), 0 or 1: `action_masks()` as numbers.
    - with `encode="minilm"` also `said` and `all_said` (384,), in [-1, 1]: the sentence embedding of the user's last
      message, and the mean over all of its messages, both of unit length; 0 where it has said nothing.

    ## Action space
    `Discrete(C + F)`. Action c < C recommends: the slate is candidate c, then the best other candidates, `k` in all.
    Action C + f asks about kind f of genre, director, star, decade, and shows the best `k` candidates while it asks
    (with `show_while_asking=False` it shows nothing). `action_masks()` says which actions make sense: those whose
    candidate is there, and the kinds that the catalogue knows. Fallback for the others: a candidate that is not there
    stands for candidate 0, and a question is asked all the same.

    ## Rewards
    As in `ConversationEnv`.

    ## Starting state
    As in `ConversationEnv`.

    ## Episode end
    As in `ConversationEnv`.

    ## Information
    As in `ConversationEnv`.

    ## Arguments
    Those of `ConversationEnv` but for `text`, and those of `crs_gym.discrete.settings.DiscreteConfig`: `candidates`,
    `n_candidates`, `show_while_asking`, `encode`.

    ## References
    Actions that ask about a facet or recommend candidates follow EAR (Lei et al., WSDM 2020); candidates by EASE^R
    (Steck, WWW 2019). Numbers and weights are our choice: see docs/discrete.md.

    ## Version history
    v0: the first.
    """

    def __init__(self, world: str | World = "sample", *, render_mode: str | None = None, **settings: Any) -> None:
        config, rest = DiscreteConfig.split(settings)
        super().__init__(world, render_mode=render_mode, **rest)
        self._view = self.view = DiscreteView(self.game, config)
        self.observation_space = self.view.observation_space()
        self.action_space = self.view.action_space()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode; see `ConversationEnv.reset`."""
        _, info = super().reset(seed=seed, options=options)
        self.view.begin(self.engine.all_rows)
        return dict(self.view.observation(0)), info

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """One turn of the policy, and the user's answer.

        Raises:
            ValueError: The action is no whole number, or out of range; or the episode is over.
        """
        _, reward, terminated, truncated, info = super().step(action)
        self.view.follow(self.engine.all_rows)
        return dict(self.view.observation(0)), reward, terminated, truncated, info

    def action_masks(self) -> NDArray[np.bool_]:
        """`(C + F,)` bool, which actions make sense now; as sb3-contrib asks for it."""
        masks: NDArray[np.bool_] = self.view.masks()[0]
        return masks
