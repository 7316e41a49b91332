"""A base model to be trained."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from crs_gym.errors import TrainingError


def base_for_training(folder: Path, name: str, dtype: torch.dtype, max_length: int, option: str) -> PreTrainedModel:
    """The base model of a fine-tuning.

    Args:
        folder: Its weights.
        name: What the user calls it.
        dtype: Of its numbers.
        max_length: Tokens of the longest text that it is to learn.
        option: The option that sets `max_length`, for the way out.

    Raises:
        TrainingError: transformers cannot read it, or it reads shorter texts than that.
    """
    attention = "sdpa" if torch.accelerator.is_available() else "eager"  # on a CPU eager attention is the faster one
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
