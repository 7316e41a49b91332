"""What an episode is given: a seeker with a short history, and secret targets.

Frozen data, no behaviour. `Task.targets` reaches the engine and the reward terms only; a simulator is handed a
`crs_gym.simulator.Seeker`, made of `context` and `profile`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from crs_gym.numeric import FloatArray, IntArray

Role = Literal["user", "recommender"]
Split = Literal["train", "valid", "test"]
TaskKind = Literal["interactive", "next-item"]

SPLITS: tuple[Split, ...] = ("train", "valid", "test")
TASK_KINDS: tuple[TaskKind, ...] = ("interactive", "next-item")


@dataclass(frozen=True, slots=True)
class Message:
    """One utterance of a dialogue.

    Attributes:
        role: Who speaks.
        text: What is said; titles are written out.
        items: The catalogue items that it names or shows, in order, each once.
    """

    role: Role
    text: str
    items: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Label:
    """What the seeker said of one film in a recorded dialogue; `None` where it did not say.

    Attributes:
        suggested: The recommender brought the film up (else the seeker did).
        seen: The seeker has seen it.
        liked: The seeker liked it, or would watch it.
    """

    suggested: bool | None
    seen: bool | None
    liked: bool | None


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A whole recorded dialogue, for training. `labels` maps items to the seeker's own labels."""

    dialogue_id: str
    messages: tuple[Message, ...]
    labels: Mapping[int, Label] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Taste:
    """A seeker's true taste, known exactly. Only worlds that invent their seekers (`Sample`) have one.

    Attributes:
        facets: `(m,)` int64, the facets that the seeker cares about, best liked first.
        weights: `(m,)` float32, how much; negative for what it avoids.
        utility: `(n_items,)` float32, the true utility of every item: the weights of its facets, and a part of its own.
        bar: The utility from which on the seeker accepts an item that it has not seen.
        like_bar: The utility from which on it has a good word for an item.
    """

    facets: IntArray
    weights: FloatArray
    utility: FloatArray
    bar: float
    like_bar: float


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What the seeker knows of itself, and a user simulator may know. No target is in it.

    Attributes:
        likes: Items that the seeker knows and likes.
        dislikes: Items that the seeker knows and does not like.
        taste: The true taste, where the world knows it.
    """

    likes: tuple[int, ...] = ()
    dislikes: tuple[int, ...] = ()
    taste: Taste | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One seeker to be helped.

    Attributes:
        task_id: Unique in its world, stable over versions of the package, e.g. `redial/test/interactive/20001`.
        split: The split that it belongs to.
        context: The dialogue so far; may be empty.
        profile: What the seeker knows of itself (targets excluded).
        targets: Secret. The items that the seeker truly wants: at least one, none of them named in `context`.
    """

    task_id: str
    split: Split
    context: tuple[Message, ...]
    profile: Profile
    targets: tuple[int, ...]
