"""A language model and an adapter with random weights, for users that a model plays: real parts, small enough."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crs_gym.worlds import load_world

TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
WORDS = (
    "User: hi, yes I have seen that, no thanks\n",
    "Recommender: how about a comedy, or some drama?\n",
    "User, accept 1: Yes No Seen like seen dislike answer leave\n",
    "1. horror, mystery, animation:\n",
)
"""What the tokenizer is made of, besides the names of films."""


def need_transformers() -> None:
    """Skip where a model cannot run."""
    if any(find_spec(package) is None for package in ("torch", "transformers", "peft")):
        pytest.skip('needs torch, transformers and peft (pip install "crs-gym[llm]")')


def write_tiny_model(folder: Path) -> Path:
    """A Llama of two layers, the same one always, with a byte-level tokenizer and a chat format."""
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    tokenizer = _tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=64,
                intermediate_size=96,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=8192,
                bos_token_id=1,
                eos_token_id=2,
                pad_token_id=2,
            )
        )
    model.lm_head.weight.data *= 8  # probabilities that differ
    ends = [2, *range(300, len(tokenizer), 6)]  # of many tokens each ends a text, so that texts are short
    model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_tiny_adapter(folder: Path, base: Path, seed: int = 1) -> Path:
    """A LoRA for the tiny model that changes what it says, and weights of its views, as a training writes them."""
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    from crs_simulators.sft.adapter import lora_for, save_adapter
    from crs_simulators.sft.alignment import FEATURES, FILE, Weights

    model = AutoModelForCausalLM.from_pretrained(str(base))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        adapted: Any = get_peft_model(model, lora_for(model, 4, "all"))
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.data.normal_(std=0.1)
    folder.mkdir(parents=True, exist_ok=True)
    save_adapter(adapted, folder, "tiny")
    weights = Weights(features=dict.fromkeys(FEATURES, 0.1), model=0.02, bias=0.0, bar=0.6)
    (folder / FILE).write_bytes(msgspec.json.encode(weights))
    return folder


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1200,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    names = [f"1. {name}, drama:\n" for name in load_world("sample").catalog.names]
    bpe.train_from_iterator([*names, *WORDS * 50], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token=SPECIAL[1], eos_token=SPECIAL[2], pad_token=SPECIAL[2]
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer
