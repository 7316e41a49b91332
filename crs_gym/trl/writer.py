"""The model that writes in rollouts: a copy of the trained one for our decode loop, brought up to date in place.

trl's trainer holds modules with adapters and gradients; the decode loop (`crs_gym.lm`) wants plain, fused weights. So
the copy is built once, and before each generation the trained weights are written over its own: for a LoRA only the
maps that have one, each with its product added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from crs_gym.errors import TrainingError
from crs_gym.lm import Generation, Sampling
from crs_gym.lm.decoding import Written
from crs_gym.lm.transformers_model import TransformersModel


@dataclass(frozen=True, slots=True)
class ScoredGeneration(Generation):
    """A text with the probability of each of its tokens.

    Attributes:
        log_probabilities: Of each token drawn, in nats, under the model's whole distribution at the temperature of the
            draw; where `min_p` cuts that distribution, it is not normalised anew.
    """

    log_probabilities: tuple[float, ...] = ()


def log_probabilities(logits: torch.Tensor, tokens: Sequence[int], temperature: float) -> list[float]:
    """Of one token a row, in nats.

    Args:
        logits: `(n, vocabulary)`.
        tokens: `n` tokens.
        temperature: Divides the logits; 0 counts as 1, for nothing is drawn there.
    """
    exact = logits.float() / (temperature or 1.0)
    chosen = exact[torch.arange(len(tokens)), tokens] - torch.logsumexp(exact, dim=-1)
    return chosen.tolist()


class RolloutWriter(TransformersModel):
    """A copy of a model that is being trained, for rollouts.

    Args:
        folder: The weights that the training began with.
        dtype: Of the copy's weights; see `TransformersModel`.
        device: Where it runs; see `TransformersModel`.
    """

    def __init__(self, folder: Path, *, dtype: torch.dtype | None = None, device: str | None = None) -> None:
        super().__init__(folder, dtype=dtype, device=device)
        self._decoder.scorer = log_probabilities

    def _generation(self, written: Written, sampling: Sampling) -> Generation:
        plain = super()._generation(written, sampling)
        return ScoredGeneration(plain.text, plain.finished, plain.tokens, plain.chosen, written.scores)

    def encoded(self, text: str) -> tuple[int, ...]:
        """The tokens of a piece of text; nothing in it is read as a special token."""
        with self._busy:
            return tuple(self._encode(text))

    @torch.no_grad()
    def take_weights(self, trained: Any) -> None:
        """Write what a model has learned over this copy's weights, and forget what was computed with the old ones.

        Args:
            trained: A causal language model of the same shape, or a `PeftModel` of one with a LoRA; what its active
                adapters add is merged.

        Raises:
            TrainingError: It has other weights than this copy, or an adapter that cannot be merged.
        """
        with self._busy:
            self._slots.clear()
            mine = dict(self._model.named_parameters())
            for name, weight in _merged(trained):
                if name not in mine or mine[name].shape != weight.shape:
                    raise TrainingError(
                        f"the trained model has a weight {name} {tuple(weight.shape)} that {self._name} has not. Way "
                        "out: build the writer from the folder that the training began with"
                    )
                mine[name].copy_(weight)


def _merged(trained: Any) -> list[tuple[str, torch.Tensor]]:
    """The weights of a model by the names that they have without adapters; of a LoRA model those that it changes.

    Raises:
        TrainingError: An adapter is of another kind.
    """
    adapted = hasattr(trained, "get_base_model")
    base = trained.get_base_model() if adapted else trained
    if not adapted:
        return [(name, weight.data) for name, weight in base.named_parameters()]
    merged = []
    for name, module in base.named_modules():
        if not hasattr(module, "base_layer"):
            continue
        if not hasattr(module, "get_delta_weight") or getattr(module, "merged", False):
            raise TrainingError(f"the adapter at {name} cannot be merged. Way out: a LoRA on linear maps")
        weight = module.base_layer.weight.data.clone()
        for adapter in module.active_adapters:
            if adapter in module.lora_A:
                weight += module.get_delta_weight(adapter).to(weight.dtype)
        merged.append((f"{name}.weight", weight))
    return merged
