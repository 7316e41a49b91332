"""How the user's side is seen and written: the spaces of the user agent, and its actions as turns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from gymnasium import spaces

from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.env import MAX_DIALOGUE
from crs_gym.errors import SimulatorError
from crs_gym.spaces import Utterance
from crs_gym.task import Profile
from crs_gym.turns import MAX_UTTERANCE, AgentTurns, Decision, UserTurn

MAX_PROFILE: Final = 20_000
"""The longest profile that an observation shows, in characters; of a longer one the beginning is shown."""

GO_ON, LEAVE, ACCEPT_FIRST = range(3)
"""The values of `decision`: go on, leave, and from `ACCEPT_FIRST` on, accept the item in place 0, 1, …"""


def user_observation_space(max_turns: int) -> spaces.Dict:
    """The observation space of the user."""
    return spaces.Dict(
        {
            "dialogue": Utterance(MAX_DIALOGUE),
            "turn": spaces.Discrete(max_turns + 1),
            "profile": Utterance(MAX_PROFILE),
        }
    )


def user_action_space(k: int) -> spaces.Dict:
    """The action space of a user that is shown up to `k` items."""
    return spaces.Dict({"utterance": Utterance(MAX_UTTERANCE), "decision": spaces.Discrete(ACCEPT_FIRST + k)})


def profile_text(profile: Profile, catalog: Catalog) -> str:
    """What the seeker knows of itself, one line a subject; empty where it knows nothing. No target is in it."""
    lines = [
        ("Films I like", [catalog.names[item] for item in profile.likes]),
        ("Films I do not like", [catalog.names[item] for item in profile.dislikes]),
    ]
    if profile.taste is not None:
        liked = profile.taste.facets[profile.taste.weights > 0].tolist()
        disliked = profile.taste.facets[profile.taste.weights < 0].tolist()
        for kind, name in enumerate(FACET_KINDS):
            lines.append((f"Each {name} I like", _names_of_kind(catalog, liked, kind)))
        for kind, name in enumerate(FACET_KINDS):
            lines.append((f"Each {name} I avoid", _names_of_kind(catalog, disliked, kind)))
    return "\n".join(f"{subject}: {'; '.join(names)}" for subject, names in lines if names)[:MAX_PROFILE]


def read_user_action(action: Any, waiting: AgentTurns | None, catalog: Catalog, k: int) -> UserTurn | SimulatorError:
    """An action as a turn.

    The items that the words name are found by the catalogue's resolver. To accept an empty place is to go on. Words
    beyond `MAX_UTTERANCE` are cut. A `UserTurn` is taken as it is: it can hold what an action of the space cannot
    (signals, an item shown on an earlier turn). So is a `SimulatorError`, by which a user's policy says that it failed.

    Args:
        action: An element of `user_action_space`, a `UserTurn` or a `SimulatorError`.
        waiting: The recommender's turn that is answered; `None` for the user's first words, which decide nothing.
        catalog: Finds the items that the words name.
        k: How many items a turn may show.

    Raises:
        ValueError: The action is unusable; the message names the field.
    """
    if isinstance(action, SimulatorError):
        return action
    if isinstance(action, UserTurn):
        for item in action.items:
            if isinstance(item, bool) or not isinstance(item, int | np.integer) or not 0 <= item < len(catalog):
                raise ValueError(f"items of the user's turn holds {item!r}: items are 0 to {len(catalog) - 1}")
        return action
    if not isinstance(action, Mapping) or set(action) != {"utterance", "decision"}:
        found = sorted(map(str, action)) if isinstance(action, Mapping) else type(action).__name__
        raise ValueError(f"the user's action is a dict with the fields 'utterance' and 'decision', not {found}")
    words, decision = action["utterance"], action["decision"]
    if not isinstance(words, str):
        raise ValueError(f"action['utterance'] is a {type(words).__name__}; it must be a str")
    highest = ACCEPT_FIRST + k - 1
    if isinstance(decision, bool) or not isinstance(decision, int | np.integer) or not 0 <= decision <= highest:
        raise ValueError(f"action['decision'] is {decision!r}; it must be a whole number from 0 to {highest}")
    words = words[:MAX_UTTERANCE]
    named = catalog.resolver.resolve(words)
    if waiting is None or decision == GO_ON:
        return UserTurn(words, items=named)
    if decision == LEAVE:
        return UserTurn(words, Decision.LEAVE, items=named)
    shown = waiting.shown(0)
    place = int(decision) - ACCEPT_FIRST
    if place >= len(shown):
        return UserTurn(words, items=named)
    return UserTurn(words, Decision.ACCEPT, shown[place], named)


def user_action(turn: UserTurn, waiting: AgentTurns | None) -> dict[str, Any]:
    """The action of the space that says what `turn` says, for datasets of user behaviour.

    Args:
        turn: A user's turn.
        waiting: The recommender's turn that it answers; `None` for the user's first words.

    Raises:
        ValueError: It accepts an item that does not stand on the slate it answers: the space has no word for that.
    """
    decision = GO_ON
    if turn.decision == Decision.LEAVE:
        decision = LEAVE
    elif turn.decision == Decision.ACCEPT:
        shown = () if waiting is None else waiting.shown(0)
        if turn.accepted not in shown:
            raise ValueError(f"the user accepts item {turn.accepted}, which is not among those shown: {list(shown)}")
        decision = ACCEPT_FIRST + shown.index(turn.accepted)
    return {"utterance": turn.utterance[:MAX_UTTERANCE], "decision": np.int64(decision)}


def _names_of_kind(catalog: Catalog, facets: Iterable[int], kind: int) -> list[str]:
    return [catalog.facet_names[facet] for facet in facets if catalog.facet_kinds[facet] == kind]
