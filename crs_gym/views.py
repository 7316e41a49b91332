"""How an action is written: structured (utterance and item numbers) or as free text. The game is the same.

A view is an action space and a way to read actions, one or a batch of them, as turns. Single env, vector env and
PettingZoo share it, so that none of them knows how an action is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces

from crs_gym.catalog import NO_ITEM, Catalog
from crs_gym.numeric import IntArray
from crs_gym.reading import MAX_TEXT, read_text
from crs_gym.spaces import Utterance
from crs_gym.turns import MAX_UTTERANCE, AgentTurns


class View(Protocol):
    """A way to write actions."""

    def action_space(self) -> spaces.Space[Any]:
        """The space of one action."""
        ...

    def read(self, action: Any) -> AgentTurns:
        """One action as a batch of one turn.

        Raises:
            ValueError: The action is unusable: a field is missing, of a wrong type or shape, or names no item.
        """
        ...

    def read_batch(self, actions: Any, n: int) -> AgentTurns:
        """A batched action (an element of the batched space) as `n` turns.

        Raises:
            ValueError: As in `read`.
        """
        ...


class StructuredView:
    """`Dict(utterance: Utterance, items: MultiDiscrete)`; the value `n_items` means "no item in this place".

    Args:
        catalog: The items.
        k: How many items a turn may show.
    """

    def __init__(self, catalog: Catalog, k: int) -> None:
        self._n_items = len(catalog)
        self._k = k

    def action_space(self) -> spaces.Dict:
        """The space of one action."""
        return spaces.Dict(
            {"utterance": Utterance(MAX_UTTERANCE), "items": spaces.MultiDiscrete([self._n_items + 1] * self._k)}
        )

    def read(self, action: Any) -> AgentTurns:
        """One action as a batch of one turn; see `View`."""
        utterance, items = self._fields(action)
        if not isinstance(utterance, str):
            raise ValueError(f"action['utterance'] is a {type(utterance).__name__}; it must be a str")
        return AgentTurns.from_columns((utterance,), self._items(items, (self._k,)).reshape(1, self._k))

    def read_batch(self, actions: Any, n: int) -> AgentTurns:
        """A batched action as `n` turns; see `View`."""
        utterances, items = self._fields(actions)
        return AgentTurns.from_columns(_texts(utterances, n, "actions['utterance']"), self._items(items, (n, self._k)))

    @staticmethod
    def _fields(action: Any) -> tuple[Any, Any]:
        if not isinstance(action, Mapping) or set(action) != {"utterance", "items"}:
            found = sorted(map(str, action)) if isinstance(action, Mapping) else type(action).__name__
            raise ValueError(f"an action is a dict with the fields 'utterance' and 'items', not {found}")
        return action["utterance"], action["items"]

    def _items(self, items: Any, shape: tuple[int, ...]) -> IntArray:
        try:
            numbers = np.asarray(items)
        except ValueError as error:  # ragged
            raise ValueError(f"action['items'] is no array of shape {shape}: {error}") from error
        if numbers.shape != shape:
            raise ValueError(f"action['items'] has shape {numbers.shape}; it must have {shape}")
        if numbers.dtype.kind not in "iu":
            raise ValueError(f"action['items'] holds {numbers.dtype}; it must hold whole numbers")
        if np.count_nonzero((numbers < 0) | (numbers > self._n_items)):
            raise ValueError(
                f"action['items'] holds {numbers.min()} … {numbers.max()}; items are numbers from 0 to "
                f"{self._n_items - 1}, and {self._n_items} means no item"
            )
        nothing = numbers == self._n_items
        if np.count_nonzero(nothing):
            numbers = np.where(nothing, NO_ITEM, numbers)
        return numbers.astype(np.int64)


class TextView:
    """`Utterance`: free text; titles in it are the items shown. See `crs_gym.reading.read_text`.

    Args:
        catalog: Its resolver finds the titles.
        k: How many items a turn may show.
    """

    def __init__(self, catalog: Catalog, k: int) -> None:
        self._catalog = catalog
        self._k = k

    def action_space(self) -> Utterance:
        """The space of one action."""
        return Utterance(MAX_TEXT)

    def read(self, action: Any) -> AgentTurns:
        """One action as a batch of one turn; see `View`."""
        if not isinstance(action, str):
            raise ValueError(f"an action is a str, not a {type(action).__name__}")
        return self._turns((action,))

    def read_batch(self, actions: Any, n: int) -> AgentTurns:
        """A batched action as `n` turns; see `View`."""
        return self._turns(_texts(actions, n, "actions"))

    def _turns(self, texts: Sequence[str]) -> AgentTurns:
        turns = [read_text(text, self._catalog, self._k) for text in texts]
        items = np.full((len(turns), self._k), NO_ITEM, np.int64)
        for i, turn in enumerate(turns):
            items[i, : len(turn.items)] = turn.items
        return AgentTurns.from_columns(
            [turn.utterance for turn in turns],
            items,
            understood=[turn.understood for turn in turns],
            reasonings=[turn.reasoning for turn in turns] if any(turn.reasoning for turn in turns) else (),
            distinct=True,
        )


def _texts(texts: Any, n: int, name: str) -> Sequence[str]:
    if isinstance(texts, str) or not isinstance(texts, Sequence | np.ndarray) or len(texts) != n:
        raise ValueError(f"{name} must be {n} texts, one for each env")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"{name}[{i}] is a {type(text).__name__}; it must be a str")
    return texts if isinstance(texts, Sequence) else texts.tolist()
