"""What the user said as sentence embeddings, beside the belief: `encode="minilm"`.

The encoder is all-MiniLM-L6-v2 (sentence-transformers; Wang et al., "MiniLM", NeurIPS 2020) as it is published:
nothing is trained here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from crs_gym.discrete.encoding import Field
from crs_gym.errors import WeightsError
from crs_gym.numeric import FloatArray, IntArray
from crs_gym.task import Message

if TYPE_CHECKING:
    from crs_gym.lm.sentence_encoder import SentenceEncoder

MINILM: Final = "minilm"
MODEL: Final = "all-minilm-l6-v2"
WIDTH: Final = 384
"""How long an embedding of this model is."""

SAID: Final = "said"
ALL_SAID: Final = "all_said"

Read = Callable[[int], Sequence[Message]]
"""From a row to the messages of its dialogue so far."""


def fields_of(encode: str) -> tuple[Field, ...]:
    """What an encoding adds to the observation, behind the fields of the belief."""
    if encode != MINILM:
        return ()
    return tuple(Field(name, tuple(f"{name}:{place}" for place in range(WIDTH)), low=-1.0) for name in (SAID, ALL_SAID))


class DialogueEncoder:
    """Writes embeddings of what users said into arrays; 0 where a user has said nothing.

    Args:
        read: What was said in a row.

    Raises:
        WeightsError: The model, or what runs it, is not on this machine; the message says how to get it.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._encoder = _loaded()

    def encode(self, rows: IntArray, arrays: dict[str, FloatArray]) -> None:
        """Bring `rows` of the `(N, WIDTH)` arrays `said` and `all_said` up to date."""
        texts = [[m.text for m in self._read(row) if m.role == "user"] for row in rows.tolist()]
        flat = self._encoder.remembered([text for own in texts for text in own]).astype(np.float32)
        ends = np.cumsum([len(own) for own in texts])
        for row, own, end in zip(rows.tolist(), texts, ends.tolist(), strict=True):
            said = flat[end - len(own) : end]
            arrays[SAID][row] = np.clip(said[-1], -1, 1) if own else 0
            arrays[ALL_SAID][row] = _unit(said.sum(axis=0)) if own else 0


def _unit(vector: FloatArray) -> FloatArray:
    length = np.linalg.norm(vector)
    unit: FloatArray = np.clip(vector / length if length > 0 else vector, -1, 1)
    return unit


@lru_cache(maxsize=1)
def _loaded() -> SentenceEncoder:
    """The model, loaded once a process, however many envs ask for it."""
    try:
        from crs_gym.lm.sentence_encoder import SentenceEncoder
    except ImportError as error:
        raise WeightsError(
            f"encode={MINILM!r} needs the package {error.name}, which is not installed. Way out: pip install "
            '"crs-gym[llm]"'
        ) from error
    encoder = SentenceEncoder(MODEL)
    if encoder.width != WIDTH:
        raise WeightsError(f"{MODEL} gives embeddings of {encoder.width} numbers; {WIDTH} are expected")
    return encoder
