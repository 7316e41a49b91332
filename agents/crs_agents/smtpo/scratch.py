"""A base model from nothing: a small decoder with random weights, whose words are those of the lessons.

For CPUs and tests of ideas: it knows only what the lessons hold, and learns some ten times as many tokens a second as
the default base. Its sizes are our choice.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from crs_gym.randomness import derived_key

VOCABULARY: Final = 4096
WIDTH: Final = 256
LAYERS: Final = 4
HEADS: Final = 4
LONGEST: Final = 4096
"""Tokens that it can read."""

_END: Final = "<|endoftext|>"


def make_base(folder: Path, texts: Iterable[str], seed: int) -> Path:
    """The folder with the model and its tokenizer; one that is there already is left as it is.

    Args:
        folder: Where; it appears as a whole or not at all.
        texts: What the tokenizer learns to take together.
        seed: Keys the weights.

    Raises:
        OSError: It cannot be written.
    """
    if folder.is_dir():
        return folder
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    _tokenizer(texts).save_pretrained(str(draft))
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=3 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=LONGEST,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_key("smtpo scratch", seed) % 2**63)
        LlamaForCausalLM(config).save_pretrained(str(draft))
    draft.replace(folder)
    return folder


def _tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE: any text can be written with it. The end of text has number 0."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    bpe.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=_END, pad_token=_END)
