"""A sentence encoder and a training that are small enough for a test."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from crs_agents.retriever.trainer import RetrieverTraining

WORDS = "the a i you like love movie that comedy drama horror war seen good bad what hello looking for something"


def need_transformers() -> None:
    """Skip where an encoder cannot run."""
    if any(find_spec(package) is None for package in ("torch", "transformers")):
        pytest.skip('needs torch and transformers (pip install "crs-gym[llm]")')


def write_tiny_encoder(folder: Path) -> Path:
    """A BERT of two layers with random weights, the same one always."""
    import torch
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    characters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'()-"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS.split(), *characters, *(f"##{c}" for c in characters)]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    ends = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        config = BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=128,
        )
        model = BertModel(config)
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.data *= 4  # vectors that differ
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    return folder


def small_settings(place: Path, out: Path, **settings: object) -> RetrieverTraining:
    """About 100 updates of two networks on played dialogues."""
    chosen: dict[str, object] = {"episodes": 40, "epochs": 6, "batch_size": 8, "dim": 16, "networks": 2}
    chosen |= {"learning_rate": 2e-2}
    return RetrieverTraining(out=out, world="sample", encoder=str(place), **{**chosen, **settings})  # type: ignore[arg-type]
