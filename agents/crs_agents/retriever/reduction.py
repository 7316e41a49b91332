"""Principal components of encodings: what the network reads of them, half as wide or less, so that it is fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from crs_gym.lm.sentence_encoder import Encodings
from crs_gym.numeric import DoubleArray, FloatArray, as_float32
from crs_gym.randomness import derived_key, generator

TEXT_WIDTH: Final = 192
DOCUMENT_WIDTH: Final = 128

_FITTED_TO: Final = 20_000
"""Encodings that components are computed from, at most."""


@dataclass(frozen=True, eq=False)
class Reduction:
    """A fixed linear map.

    Attributes:
        mean: `(width,)` float32, taken off first.
        components: `(width, reduced)` float32, the first component scaled to unit variance and the others alike.
    """

    mean: FloatArray
    components: FloatArray

    def __call__(self, encodings: Encodings) -> FloatArray:
        """`(n, reduced)` float32; a row's result does not depend on its place among `n`, as numpy's product does."""
        centred = torch.from_numpy(encodings.astype(np.float32) - self.mean)
        return as_float32((centred @ torch.from_numpy(self.components)).numpy())


def fit_reduction(encodings: Encodings, width: int, seed: int) -> Reduction:
    """The first `width` principal components of encodings; fewer where they have fewer.

    Args:
        encodings: `(n, width)`.
        width: How many components.
        seed: Keys which `_FITTED_TO` encodings they are computed from, where there are more.
    """
    if len(encodings) > _FITTED_TO:
        chosen = generator(derived_key("retriever reduction", seed)).choice(len(encodings), _FITTED_TO, replace=False)
        encodings = encodings[np.sort(chosen)]
    rows: DoubleArray = encodings.astype(np.float64)
    mean = rows.mean(axis=0)
    variances, vectors = np.linalg.eigh(np.cov(rows - mean, rowvar=False, bias=True))
    kept = vectors[:, ::-1][:, :width]
    signs = np.sign(kept[np.abs(kept).argmax(axis=0), np.arange(kept.shape[1])])  # the same on every machine
    scaled = kept * signs / np.sqrt(max(float(variances[-1]), 1e-12))
    return Reduction(as_float32(mean), np.ascontiguousarray(scaled, np.float32))
