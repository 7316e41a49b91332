"""The settings of an environment: which seekers, which user, which rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from crs_gym.errors import UnknownNameError
from crs_gym.reward import LONGEST_SLATE
from crs_gym.simulator import SimulatorEntry
from crs_gym.task import SPLITS, TASK_KINDS, Split, TaskKind
from crs_gym.worlds.world import World

DEFAULT_REWARD: Final[Mapping[str, float]] = {
    "format": 0.1,
    "recommend": 1.0,
    "preference": 0.5,
    "novelty": 0.05,
    "turn_cost": -0.2,
}
"""The weights of the reward terms in every `-v0` id (our choice). The cost of a turn is more than what it earns
by being well-formed and new alone, and partial credit is paid for progress only, so talking on never pays."""


LONGEST_DIALOGUE: Final = 1_000
"""The highest `max_turns`: far more than anyone bears, and little enough to keep all noise of an episode in memory."""
DEEPEST_RANKING: Final = 100_000
"""The highest `depth`."""


@dataclass(frozen=True, kw_only=True)
class EnvConfig:
    """The settings of an environment. Two runs with equal settings, seeds and agents give equal traces."""

    world: str | World = "sample"
    """A world's name: sample, redial, opendialkg, inspired; or a world of your own."""
    split: Split = "train"
    """Which seekers: train, valid or test. They never overlap."""
    kind: TaskKind = "interactive"
    """interactive: one task a dialogue; next-item: one for each film that the recorded recommender brings up."""
    simulator: str | SimulatorEntry = "agenda"
    """The user: a simulator's name, with options behind a colon, such as agenda:noise=0.2; or an entry of your own."""
    k: int = 10
    """How many items a turn may show."""
    max_turns: int = 5
    """The turn limit of an episode."""
    depth: int = 50
    """How long a ranking offline metrics look at; at least k."""
    reward: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_REWARD))
    """The weight of each reward term; terms left out weigh nothing."""

    @classmethod
    def of(cls, **settings: Any) -> EnvConfig:
        """The settings of these names.

        Raises:
            UnknownNameError: There is no such setting; the message suggests the nearest.
            ValueError: No game can be played with a setting's value.
        """
        known = [setting.name for setting in fields(cls)]
        for name in settings:
            if name not in known:
                raise UnknownNameError("setting", name, known)
        return cls(**settings)

    def __post_init__(self) -> None:
        """Refuse settings that no game can be played with."""
        if self.split not in SPLITS:
            raise ValueError(f"split={self.split!r}: must be one of {', '.join(SPLITS)}")
        if self.kind not in TASK_KINDS:
            raise ValueError(f"kind={self.kind!r}: must be one of {', '.join(TASK_KINDS)}")
        for name, value in (("k", self.k), ("max_turns", self.max_turns), ("depth", self.depth)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}={value!r}: must be a whole number of at least 1")
        for name, value, most in (
            ("k", self.k, LONGEST_SLATE),
            ("max_turns", self.max_turns, LONGEST_DIALOGUE),
            ("depth", self.depth, DEEPEST_RANKING),
        ):
            if value > most:
                raise ValueError(f"{name}={value}: must be at most {most}")
        if not isinstance(self.reward, Mapping):
            raise ValueError(f"reward={self.reward!r}: must map terms to weights, as in {{'recommend': 1.0}}")
        if self.depth < self.k:
            object.__setattr__(self, "depth", self.k)
