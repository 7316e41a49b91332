"""A base model from nothing, for CPUs: a small decoder that can copy before its first lesson, and nothing else.

Most of what the policy writes is copied from what it reads (`prompts.py`). A decoder of random weights has not learned
to copy after millions of tokens; one whose first two layers are wired for it (`copying.py`) learns from the first
lesson on what to copy. Its words are those of the lessons. Sizes are our choice.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from crs_agents.smtpo.copying import ROPE_THETA, wire
from crs_gym.lm.made_once import made_once
from crs_gym.randomness import derived_key

VOCABULARY: Final = 2048
WIDTH: Final = 256
LAYERS: Final = 4
HEADS: Final = 4
LONGEST: Final = 4096
"""Tokens that it can read."""

_MEGABYTES: Final = 20
"""What the folder holds at most."""

_END: Final = "<|endoftext|>"

_WORDS: Final = r" ?#\d+|\d+| ?\p{L}+| ?[^\s\p{L}\d]+|\s"
"""A number is one token wherever it stands, and so is a candidate's: what is copied is spelled alike everywhere."""


def make_base(folder: Path, texts: Iterable[str], seed: int) -> Path:
    """The folder with the model and its tokenizer; one that is there already is left as it is.

    Args:
        folder: Where; it appears as a whole or not at all.
        texts: What the tokenizer learns to take together.
        seed: Keys the weights.

    Raises:
        WeightsError: It cannot be written.
    """

    def make(empty: Path) -> None:
        tokenizer = _tokenizer(texts)
        tokenizer.save_pretrained(str(empty))
        _model(tokenizer, seed).save_pretrained(str(empty))

    return made_once(folder, make, megabytes=_MEGABYTES, elsewhere="choose an --out on another disk")


def _model(tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=3 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=LONGEST,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_key("smtpo scratch", seed) % 2**63)
        model = LlamaForCausalLM(config)
        wire(model, _alike(tokenizer))
    return model


def _tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE: any text can be written with it. The end of text has number 0."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=_END, pad_token=_END)  # type: ignore[no-untyped-call]


def _alike(tokenizer: PreTrainedTokenizerFast) -> list[tuple[int, int]]:
    """Pairs of tokens that begin with weights alike: a candidate's number, and the same number in an answer."""
    words = tokenizer.get_vocab()
    space = "Ġ"  # how byte-level tokenizers write it
    return [(words[f"{space}#{word}"], n) for word, n in words.items() if word.isdigit() and f"{space}#{word}" in words]
