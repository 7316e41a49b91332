"""A base model from nothing, for CPUs: a small decoder that can copy before its first lesson, and nothing else.

Most of what the policy writes is copied from what it reads (`prompts.py`). A decoder of random weights has not learned
to copy after millions of tokens; one whose first two layers are wired for it (`copying.py`) learns from the first
lesson on what to copy. Its words are those of the lessons, and a name is one word, however long: a film, a person, a
genre. So names are never mixed up in their middle, and a turn has half the tokens. Sizes are our choice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from crs_agents.smtpo.copying import ROPE_THETA, wire
from crs_gym.lm.made_once import made_once
from crs_gym.randomness import derived_key

VOCABULARY: Final = 2048
"""Words that are no names."""

NAMES: Final = 4096
"""Names at most, those that are read most often; the others are spelled."""

WIDTH: Final = 256
LAYERS: Final = 4
HEADS: Final = 4
LONGEST: Final = 4096
"""Tokens that it can read."""

_MEGABYTES: Final = 40
"""What the folder holds at most."""

_END: Final = "<|endoftext|>"

_WORDS: Final = r"</?\p{L}+>| ?#\d+|\d+| ?\p{L}+| ?[^\s\p{L}\d<]+|<|\s"
"""A mark of the grammar is one token, a number is one wherever it stands, and so is a candidate's: what is copied is
spelled alike everywhere."""


def make_base(folder: Path, texts: Sequence[str], names: Iterable[str], seed: int) -> Path:
    """The folder with the model and its tokenizer; one that is there already is left as it is.

    Args:
        folder: Where; it appears as a whole or not at all.
        texts: What the tokenizer learns to take together.
        names: What may be a word by itself, as it stands in texts.
        seed: Keys the weights.

    Raises:
        WeightsError: It cannot be written.
    """

    def make(empty: Path) -> None:
        tokenizer = _tokenizer(texts, names)
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


def _tokenizer(texts: Sequence[str], names: Iterable[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE, and names: any text can be written with it. The end of text has number 0."""
    bpe = _bpe(texts)
    every = Tokenizer.from_str(bpe.to_str())
    _add(every, names)
    read = Counter(token for text in every.encode_batch(texts) for token in text.tokens if token.startswith(" "))
    often = sorted(read.items(), key=lambda one: (-one[1], one[0]))[:NAMES]
    _add(bpe, (name.removeprefix(" ") for name, _ in often))
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=_END, pad_token=_END)  # type: ignore[no-untyped-call]


def _bpe(texts: Iterable[str]) -> Tokenizer:
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
    return bpe


def _add(tokenizer: Tokenizer, names: Iterable[str]) -> None:
    """Let a space and a name be one token. The tokenizer's own tokens write a space as another sign."""
    tokenizer.add_tokens([AddedToken(f" {name}", normalized=False) for name in names])


def _alike(tokenizer: PreTrainedTokenizerFast) -> list[tuple[int, int]]:
    """Pairs of tokens that begin with weights alike: a candidate's number, and the same number in an answer."""
    words = tokenizer.get_vocab()
    space = "Ġ"  # how byte-level tokenizers write it
    return [(words[f"{space}#{word}"], n) for word, n in words.items() if word.isdigit() and f"{space}#{word}" in words]
