"""Which films a dialogue stands for, to a collaborative model: those that were named in its favour, latest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from crs_agents.feedback import FeedbackReader
from crs_gym.agent import Observation
from crs_gym.task import Message
from crs_gym.worlds.world import Sessions

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def own_start(observation: Observation) -> int:
    """Where in `observation.messages` the agent's own part begins; what stands before is the recorded context.

    Each of the agent's turns is one message of the recommender and, after it, the user's answer.
    """
    own = observation.turn
    for place in range(len(observation.messages) - 1, -1, -1):
        if own == 0:
            return place + 1
        own -= observation.messages[place].role == "recommender"
    return 0


def wanted_items(observation: Observation, reader: FeedbackReader) -> tuple[int, ...]:
    """The films that speak for what the user wants, each once, the most recently named first.

    In the recorded context every named film counts, by whomever: two people who talk to the point name films of one
    kind, and nine in ten of them are liked. In the agent's own part only films that the user spoke for count: what the
    agent showed by itself says nothing of the user.
    """
    start = own_start(observation)
    context, own = observation.messages[:start], observation.messages[start:]
    named = [item for message in context for item in message.items]
    if own:
        opinions = reader.opinions(own).items
        against = {item for item, balance in opinions.items() if balance < 0}
        named += [item for item in _named_by_user(own, opinions) if item not in against]
        named = [item for item in named if item not in against]
    return tuple(dict.fromkeys(reversed(named)))


def _named_by_user(messages: Sequence[Message], opinions: dict[int, int]) -> list[int]:
    """The films that the user named, or pointed back to, in order of the message that showed or named them."""
    named = [(message.role, item) for message in messages for item in message.items]
    return [item for role, item in named if role == "user" or opinions.get(item, 0) > 0]


def history_matrix(histories: Sequence[tuple[int, ...]], n_items: int, decay: float) -> csr_array[np.float32]:
    """Histories as the rows of a sparse `(n, n_items)` float32 matrix.

    Args:
        histories: `n` of them, the most recently named item first.
        n_items: How many items there are.
        decay: The weight of an item relative to the one named after it; 1 weighs all alike.
    """
    from scipy.sparse import csr_array

    lengths = [len(history) for history in histories]
    powers = np.float32(decay) ** np.arange(max(lengths, default=0), dtype=np.float32)
    data = np.concatenate([np.empty(0, np.float32), *(powers[:length] for length in lengths)])
    items = np.fromiter((item for history in histories for item in history), np.int64, sum(lengths))
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    return csr_array((data, items, offsets), shape=(len(histories), n_items))


def session_matrix(sessions: Sessions, n_items: int) -> csr_array[np.float32]:
    """`(n_dialogues, n_items)` float32, 1 where a train dialogue names an item."""
    from scipy.sparse import csr_array

    ones = np.ones(len(sessions.items), np.float32)
    return csr_array((ones, sessions.items, sessions.offsets), shape=(len(sessions), n_items))
