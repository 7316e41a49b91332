"""The grammar, enforced: what may stand at each place of a text, so that a model only chooses.

Its choices are the facets that are liked and disliked (of those that the dialogue speaks for or against, and for what
is liked any genre), the candidates that are thought about, and the question. All else follows from them: marks, what a
candidate's line says, the verdict, what was asked before, the answer. So every text has its right form and quotes
truly (`grammar.py`, `truth.py`), whatever the model has learned; in training, only choices are credited.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from crs_agents.smtpo.candidates import Candidates
from crs_agents.smtpo.grammar import ANYTHING, NONE, asked_text
from crs_agents.smtpo.options import Explore
from crs_agents.smtpo.preferences import Preference
from crs_agents.smtpo.prompts import END_OF_LINE, NOTHING, facet_text, line_front
from crs_agents.smtpo.reasoning import MOST_DISLIKED, MOST_LIKED
from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.lm.guide import MostProbable
from crs_gym.questions import QUESTIONS

_LIKES: Final = "<think>likes"
_DISLIKES: Final = " dislikes"
_ASK: Final = "; ask"


class TurnGuide:
    """What may be written on one turn; a `crs_gym.lm.guide.Guide`.

    Args:
        catalog: The films.
        found: The candidates.
        preference: What the dialogue speaks for and against.
        listed: How many candidates are thought about.
        asked: What the user was asked about so far; `None` where that is not told.
        fit: Whether their fit is told.
        explore: What is drawn.
    """

    def __init__(
        self,
        catalog: Catalog,
        found: Candidates,
        preference: Preference,
        listed: int,
        *,
        asked: Sequence[str] | None = None,
        fit: bool = True,
        explore: Explore = "all",
    ) -> None:
        genres = np.flatnonzero(catalog.facet_kinds == FACET_KINDS.index("genre")).tolist()
        self._dislikes = _names(catalog, preference.dislikes)
        against = set(self._dislikes)
        self._likes = [name for name in _names(catalog, [*preference.likes, *genres]) if name not in against]
        spoken_of = preference.likes.keys() | preference.dislikes.keys()
        self._matches = {
            f" {line_front(number, item, catalog, own_fit if fit else None, spoken_of)};": number
            for number, (item, own_fit) in enumerate(zip(found.items, found.fits, strict=True), 1)
        }
        self._listed = min(listed, len(self._matches))
        self._asked = "" if asked is None else f"; {asked_text(asked)}"
        self._explore = explore

    def __call__(self, written: Sequence[str]) -> Sequence[str]:
        """See `crs_gym.lm.guide.Guide`."""
        pieces = self._pieces(written)
        asks = bool(written) and written[-1].endswith(_ASK)
        return pieces if asks or self._explore == "all" else MostProbable(pieces)

    def _pieces(self, written: Sequence[str]) -> list[str]:
        if not written:
            return [_LIKES]
        if _DISLIKES not in written:
            return self._listing(written[1:], self._likes, ANYTHING, MOST_LIKED) or [_DISLIKES]
        disliked = written[written.index(_DISLIKES) + 1 :]
        left = self._listing(disliked, self._dislikes, NOTHING, MOST_DISLIKED)
        if left:
            return left
        matches = [piece for piece in disliked if piece in self._matches]
        if len(matches) < self._listed:
            return [piece for piece in self._matches if piece not in matches]
        numbers = [str(self._matches[piece]) for piece in matches] or [NONE]
        verdict = f" best {numbers[0]}{self._asked}{_ASK}"
        if written[-1] == verdict:
            end = f"</think><answer>{', '.join(numbers)}</answer>{END_OF_LINE}"
            return [f" {kind}{end}" for kind in (*QUESTIONS, NOTHING)]
        return [] if verdict in written else [verdict]

    def _listing(self, said: Sequence[str], names: Sequence[str], none: str, most: int) -> list[str]:
        """How a list of at most `most` names may go on behind its first pieces; empty where it has ended."""
        if any(piece.endswith(";") for piece in said):
            return []
        left = [name for name in names if f" {name}," not in said]
        ends = [f" {name};" for name in left]
        if not said:
            ends.append(f" {none};")
        return ends + [f" {name}," for name in left] if len(said) + 1 < min(most, len(names)) else ends


def _names(catalog: Catalog, facets: Iterable[int]) -> list[str]:
    """Names as they stand in texts, each once."""
    names = dict.fromkeys(facet_text(catalog.facet_names[facet]) for facet in facets)
    return [name for name in names if name not in ("", ANYTHING, NOTHING)]
