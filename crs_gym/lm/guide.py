"""Guided writing: a text of which only some places are a choice. What must follow is read, not drawn.

A `Guide` names the pieces of which the next must be one. Where there is one, it is forced. `Walk` does the same for
tokens: pieces that begin alike share their first tokens, and a choice is made where they part. So a text in a fixed
form costs a model one pass for each choice, and cannot leave the form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol


class MostProbable(tuple[str, ...]):
    """Pieces of which the most probable is written, even where texts are drawn: it is no choice, and not credited."""

    __slots__ = ()


class Guide(Protocol):
    """What may be written."""

    def __call__(self, written: Sequence[str]) -> Sequence[str]:
        """The pieces of which the next must be one, none of them the beginning of another; none where the text is over.

        Args:
            written: The pieces so far.

        Returns:
            The pieces; as `MostProbable` where none is to be drawn.
        """
        ...


class Walk:
    """One text that follows a guide, token by token.

    Args:
        guide: What may be written.
        encode: The tokens of a piece, at least one.

    Attributes:
        tokens: All tokens so far.
        chosen: For each of them whether it was chosen: another one could have been drawn.
        options: The tokens of which the next must be one, at least two; none where the text is over.
        draws: Whether that one is drawn; else it is the most probable.
    """

    def __init__(self, guide: Guide, encode: Callable[[str], Sequence[int]]) -> None:
        self._guide = guide
        self._encode = encode
        self._pieces: list[str] = []
        self._open: dict[str, Sequence[int]] = {}  # the pieces that the tokens of this piece still allow
        self._depth = 0  # tokens of this piece so far
        self.tokens: list[int] = []
        self.chosen: list[bool] = []
        self.options: list[int] = []
        self.draws = True
        self._begin()
        self._force()

    def take(self, token: int) -> list[int]:
        """Write one of `options`, and all that must follow it.

        Returns:
            The tokens that were added, the given one first.
        """
        before = len(self.tokens)
        self._add(token, chosen=self.draws)
        self._force()
        return self.tokens[before:]

    def _begin(self) -> None:
        pieces = self._guide(self._pieces)
        self.draws = not isinstance(pieces, MostProbable)
        self._open = {piece: self._encode(piece) for piece in pieces}
        self._depth = 0

    def _add(self, token: int, *, chosen: bool) -> None:
        self._open = {
            piece: tokens
            for piece, tokens in self._open.items()
            if len(tokens) > self._depth and tokens[self._depth] == token
        }
        self._depth += 1
        self.tokens.append(token)
        self.chosen.append(chosen)

    def _force(self) -> None:
        """Write as long as there is no choice."""
        while self._open:
            whole = [piece for piece, tokens in self._open.items() if len(tokens) == self._depth]
            if whole:
                self._pieces.append(whole[0])
                self._begin()
                continue
            self.options = list(dict.fromkeys(tokens[self._depth] for tokens in self._open.values()))
            if len(self.options) > 1:
                return
            self._add(self.options[0], chosen=False)
        self.options = []
