"""A base model to be trained."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from crs_gym.errors import TrainingError


def base_for_training(
    folder: Path, name: str, dtype: torch.dtype, max_length: int, option: str, at_once: int = 1
) -> PreTrainedModel:
    """The base model of a fine-tuning.

    Args:
        folder: Its weights.
        name: What the user calls it.
        dtype: Of its numbers.
        max_length: Tokens of the longest text that it is to learn.
        option: The option that sets `max_length`, for the way out.
        at_once: How many texts are computed together.

    Raises:
        TrainingError: transformers cannot read it, or it reads shorter texts than that.
    """
    alone = at_once == 1 and not torch.accelerator.is_available()
    attention = "eager" if alone else "sdpa"  # on a CPU eager attention is the faster one for a single text
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=dtype, attn_implementation=attention, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise TrainingError(f"{name} is no causal language model that can be read: {error}") from error
    longest = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if longest is not None and longest < max_length:
        raise TrainingError(f"{name} reads {longest} tokens. Way out: {option} {longest}, or another --base")
    return model
