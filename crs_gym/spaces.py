"""The space of utterances."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Sequence
from typing import Any, Final, overload

import numpy as np
from gymnasium.spaces import Text
from gymnasium.vector.utils import create_shared_memory, read_from_shared_memory, write_to_shared_memory
from numpy.typing import NDArray

_SAMPLE_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,!?'()-éüñ"
_LONGEST_SAMPLE: Final = 80
_N_CODE_POINTS: Final = 0x110000
_CODE: Final = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"


class _EveryCharacter(Sequence[str]):
    """All Unicode characters by code point: what `Text` keeps as the list of its characters, without the list."""

    def __len__(self) -> int:
        return _N_CODE_POINTS

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [chr(code) for code in range(_N_CODE_POINTS)[index]]
        return chr(index)

    def __contains__(self, character: object) -> bool:
        return isinstance(character, str) and len(character) == 1


class Utterance(Text):
    """Any Unicode text up to a length, the empty one included.

    gymnasium's `Text` holds a fixed set of characters, by default without the space. This one holds them all, and
    still goes through shared memory, batching and JSON as `Text` does.

    Args:
        max_length: The longest text, in characters.
        seed: Seeds `sample`.
    """

    def __init__(self, max_length: int, *, seed: int | np.random.Generator | None = None) -> None:
        super().__init__(max_length, min_length=0, charset=_SAMPLE_CHARACTERS, seed=seed)

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """A random short text.

        Raises:
            ValueError: A mask or probabilities are given; an utterance has none.
        """
        if mask is not None or probability is not None:
            raise ValueError("Utterance.sample takes no mask and no probabilities")
        length = int(self.np_random.integers(1, min(self.max_length, _LONGEST_SAMPLE), endpoint=True))
        places = self.np_random.integers(len(_SAMPLE_CHARACTERS), size=length)
        return "".join(_SAMPLE_CHARACTERS[place] for place in places)

    def contains(self, x: Any) -> bool:
        """Whether `x` is a text that is not too long."""
        return isinstance(x, str) and len(x) <= self.max_length

    @property
    def character_set(self) -> frozenset[str]:
        """Every character; see `Text`."""
        return _EVERY_CHARACTER  # type: ignore[return-value]  # Text asks for its length and for membership only

    @property
    def character_list(self) -> tuple[str, ...]:
        """Every character by code point; see `Text`."""
        return _EVERY_CHARACTER  # type: ignore[return-value]  # Text asks for one element at a time only

    def character_index(self, char: str) -> np.int32:
        """The code point of a character."""
        return np.int32(ord(char))

    @property
    def characters(self) -> str:
        """The characters that `sample` draws from."""
        return _SAMPLE_CHARACTERS

    def __repr__(self) -> str:
        return f"Utterance({self.max_length})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Utterance) and other.max_length == self.max_length

    def __hash__(self) -> int:
        return hash((Utterance, self.max_length))

    def __getstate__(self) -> dict[str, Any]:
        return {"max_length": self.max_length, "np_random": self._np_random}

    def __setstate__(self, state: Any) -> None:
        Utterance.__init__(self, state["max_length"])
        self._np_random = state["np_random"]


_EVERY_CHARACTER: Final = _EveryCharacter()


# ---------------------------------------------------------------- shared memory (AsyncVectorEnv)
#
# gymnasium reads observations out of shared memory once, when the vector env is made, and counts on arrays being views
# of it. For texts that gives the first, empty ones for ever. So an utterance's memory is read through a live
# sequence, which becomes a tuple of strings when gymnasium copies its observations.


class _LiveTexts(Sequence[str]):
    """The texts that stand in shared memory at the moment: one row a text, its length first, then its code points."""

    def __init__(self, rows: NDArray[np.int32]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        row = self._rows[index]
        code_points: bytes = row[1 : 1 + row[0]].tobytes()
        return code_points.decode(_CODE, "surrogatepass")

    def __deepcopy__(self, memo: dict[int, Any]) -> tuple[str, ...]:
        return tuple(self)


@create_shared_memory.register(Utterance)
def _create(space: Utterance, n: int = 1, ctx: Any = multiprocessing) -> Any:
    return ctx.Array("i", n * (space.max_length + 1))


@read_from_shared_memory.register(Utterance)
def _read(space: Utterance, shared_memory: Any, n: int = 1) -> Any:
    return _LiveTexts(np.frombuffer(shared_memory.get_obj(), np.int32).reshape(n, space.max_length + 1))


@write_to_shared_memory.register(Utterance)
def _write(space: Utterance, index: int, value: str, shared_memory: Any) -> None:
    row = np.frombuffer(shared_memory.get_obj(), np.int32).reshape(-1, space.max_length + 1)[index]
    row[0] = len(value)
    row[1 : 1 + len(value)] = np.frombuffer(value.encode(_CODE, "surrogatepass"), np.int32)
