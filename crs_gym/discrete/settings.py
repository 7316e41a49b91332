"""The settings of the Discrete view."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

ENCODINGS: Final = ("belief", "minilm")
"""How an observation can be encoded."""
MOST_CANDIDATES: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class DiscreteConfig:
    """What the Discrete view adds to `crs_gym.config.EnvConfig`."""

    candidates: str = "ease"
    """Whose films are the candidates: an agent's name, with options behind a colon, such as ease:l2=500."""
    n_candidates: int = 20
    """How many candidates there are: C. At most as many as the catalogue has items."""
    show_while_asking: bool = True
    """Whether a turn that asks shows the best k candidates, too. If not, it shows nothing."""
    encode: str = "belief"
    """How observations are encoded: belief (numbers about facets and candidates), or minilm (these, and sentence
    embeddings of what the user said; slower, since words are read on every turn)."""

    @classmethod
    def split(cls, settings: dict[str, Any]) -> tuple[DiscreteConfig, dict[str, Any]]:
        """The view's settings among `settings`, and the others.

        Raises:
            ValueError: A setting of the view is unusable.
        """
        own = {setting.name for setting in fields(cls)}
        rest = {name: value for name, value in settings.items() if name not in own}
        return cls(**{name: value for name, value in settings.items() if name in own}), rest

    def __post_init__(self) -> None:
        """Refuse settings that no game can be played with."""
        if not isinstance(self.candidates, str) or not self.candidates:
            raise ValueError(f"candidates={self.candidates!r}: must be an agent's name, such as 'ease'")
        n = self.n_candidates
        if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST_CANDIDATES:
            raise ValueError(f"n_candidates={n!r}: must be a whole number from 1 to {MOST_CANDIDATES}")
        if not isinstance(self.show_while_asking, bool):
            raise ValueError(f"show_while_asking={self.show_while_asking!r}: must be True or False")
        if self.encode not in ENCODINGS:
            raise ValueError(f"encode={self.encode!r}: must be one of {', '.join(ENCODINGS)}")
