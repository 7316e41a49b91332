"""Language models with random weights, the same ones always: real parts, small enough for a test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crs_gym.worlds import load_world

CHAT = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""The chat format."""
END, TURN, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SAID = (
    "I would accept that film, yes. No, I have seen it and I did not like it.",
    "Tell me more, what else is there? I leave, I answer, I dislike.",
)
PLAYED = (
    "User: hi, yes I have seen that, no thanks\n",
    "Recommender: how about a comedy, or some drama?\n",
    "User, accept 1: Yes No Seen like seen dislike answer leave\n",
    "1. horror, mystery, animation:\n",
)
"""What the tokenizer of the user's model is made of, besides the names of films."""


def need_transformers() -> None:
    """Skip where a model cannot run."""
    if any(find_spec(package) is None for package in ("torch", "transformers", "peft")):
        pytest.skip('needs torch, transformers and peft (pip install "crs-gym[llm]")')


def byte_level_tokenizer(texts: Iterable[str], size: int, special: Sequence[str], **roles: str) -> Any:
    """A tokenizer made of some texts; special tokens have the first numbers.

    Args:
        texts: What it learns to take together.
        size: The most tokens.
        special: Special tokens.
        roles: See `PreTrainedTokenizerFast`: `eos_token`, `chat_template`, …
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, **roles)


def write_model(
    folder: Path, config: Any, tokenizer: Any, *, seed: int = 0, sharpness: float = 1.0, generation: Any = None
) -> Path:
    """A model that is drawn from a seed, and its tokenizer.

    Args:
        folder: Where; it is made.
        config: Of any decoder of transformers.
        tokenizer: Its tokenizer.
        seed: Of the weights.
        sharpness: What the last layer is multiplied by, so that probabilities differ.
        generation: Its `GenerationConfig`, if it has one of its own.
    """
    import torch
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
    if sharpness != 1.0:
        model.lm_head.weight.data *= sharpness
    if generation is not None:
        model.generation_config = generation
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_chat_model(folder: Path) -> Path:
    """A Llama of two layers with a chat format; it draws when it generates."""
    from transformers import GenerationConfig, LlamaConfig

    roles = {"bos_token": TURN, "eos_token": TURN_END, "pad_token": TURN_END}
    tokenizer = byte_level_tokenizer(SAID * 3, 400, (TURN, TURN_END), chat_template=CHAT, **roles)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    drawing = GenerationConfig(do_sample=True, eos_token_id=1, pad_token_id=1, top_k=0)
    return write_model(folder, config, tokenizer, sharpness=8, generation=drawing)


def write_user_model(folder: Path) -> Path:
    """A Llama of two layers that knows the names of films, for the learned user. What it says is short."""
    from transformers import GenerationConfig, LlamaConfig

    names = [f"1. {name}, drama:\n" for name in load_world("sample").catalog.names]
    roles = {"bos_token": TURN, "eos_token": TURN_END, "pad_token": TURN_END}
    tokenizer = byte_level_tokenizer([*names, *PLAYED * 50], 1200, (END, TURN, TURN_END), chat_template=CHAT, **roles)
    config = LlamaConfig(
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
    ends = [2, *range(300, len(tokenizer), 6)]  # of many tokens each ends a text
    generation = GenerationConfig(eos_token_id=ends, pad_token_id=2)
    return write_model(folder, config, tokenizer, sharpness=8, generation=generation)


def write_user_adapter(folder: Path, base: Path, seed: int = 1) -> Path:
    """A LoRA for the user's model that changes what it says, and weights of its views, as a training writes them."""
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    from crs_gym.lm.adapters import lora_for, save_adapter
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
