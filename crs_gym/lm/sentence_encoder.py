"""A sentence encoder of transformers: mean pooling over the tokens, unit length (Reimers and Gurevych, EMNLP 2019)."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from crs_gym.errors import WeightsError
from crs_gym.lm.transformers_model import native_dtype
from crs_gym.lm.weights import find_weights, weights_revision

Encodings = NDArray[np.float16]

DEFAULT_ENCODER: Final = "all-minilm-l6-v2"

FORMAT: Final = 1
"""Part of the revision: rises when the same text gets another encoding."""

MAX_TOKENS: Final = 96
"""Tokens of a text that are read, over three times the longest of a hundred messages of ReDial."""

BATCH: Final = 64
MEMO: Final = 20_000
"""Encodings that are remembered, of 384 float16 each: a turn reads its whole dialogue again."""

Progress = Callable[[int, int], None]
"""Called as `progress(done, total)`."""


class SentenceEncoder:
    """Turns texts into unit vectors.

    Args:
        name: A short name (`all-minilm-l6-v2`), a folder, or an id on the Hugging Face hub.

    Attributes:
        name: The same.
        width: How long a vector is.
        revision: Changes whenever the same text may get another vector.

    Raises:
        WeightsError: The weights are not on this machine, or are no encoder that transformers knows.
    """

    def __init__(self, name: str = DEFAULT_ENCODER) -> None:
        folder = find_weights(name)
        self.name = name
        self._device = torch.accelerator.current_accelerator() or torch.device("cpu")
        dtype = native_dtype(self._device)
        try:
            with _without_bars():
                self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
                self._model: Any = AutoModel.from_pretrained(folder, dtype=dtype).to(self._device).eval()
        except (ValueError, OSError, KeyError) as error:
            raise WeightsError(
                f"{name} cannot be read as a sentence encoder: {error}. Way out: a model such as {DEFAULT_ENCODER}"
            ) from error
        self.width = int(self._model.config.hidden_size)
        self.revision = f"{weights_revision(folder)}-{str(dtype).removeprefix('torch.')}-v{FORMAT}"
        self._memo: OrderedDict[str, Encodings] = OrderedDict()

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Encodings:
        """`(n, width)` float16 unit vectors.

        Texts are computed beside texts of as many tokens alone, so that none is padded and a vector depends on its text
        alone, as far as the rows of a matrix product do not depend on each other (in bfloat16 on CPUs they do not).
        """
        out = np.zeros((len(texts), self.width), np.float16)
        ids = self._tokenizer(list(texts), truncation=True, max_length=MAX_TOKENS)["input_ids"] if texts else []
        by_length: dict[int, list[int]] = {}
        for row, tokens in enumerate(ids):
            by_length.setdefault(len(tokens), []).append(row)
        done = 0
        for length in sorted(by_length):
            rows = by_length[length]
            for start in range(0, len(rows), BATCH):
                batch = rows[start : start + BATCH]
                out[batch] = self._encode([ids[row] for row in batch])
                done += len(batch)
                if progress is not None:
                    progress(done, len(texts))
        return out

    def remembered(self, texts: Sequence[str]) -> Encodings:
        """The same, for texts that come again: the last `MEMO` of them are not computed twice."""
        new = [text for text in dict.fromkeys(texts) if text not in self._memo]
        if new:
            self._memo.update(zip(new, self.encode(new), strict=True))
        out = np.zeros((len(texts), self.width), np.float16)
        for row, text in enumerate(texts):
            self._memo.move_to_end(text)
            out[row] = self._memo[text]
        while len(self._memo) > MEMO:
            self._memo.popitem(last=False)
        return out

    @torch.inference_mode()
    def _encode(self, ids: list[list[int]]) -> Encodings:
        tokens = torch.tensor(ids, device=self._device)  # (b, length)
        hidden = self._model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state.float()
        pooled = torch.nn.functional.normalize(hidden.mean(dim=1), dim=1)  # (b, width)
        encodings: Encodings = pooled.to("cpu", torch.float16).numpy()
        return encodings


@contextlib.contextmanager
def _without_bars() -> Iterator[None]:
    """No bar of transformers for a load of a second."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
