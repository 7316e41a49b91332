"""The files of a model, tiny and real: a Llama with 2 layers as safetensors, and as GGUF."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

LAYERS, HIDDEN, HEADS, INNER = 2, 32, 4, 64
WORDS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "0", "3", "a", "b", "Ċ", "Ġ", "ab", "ĊĊ", "Ġa"]
MERGES = ["a b", "Ċ Ċ", "Ġ a"]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": HIDDEN,
    "intermediate_size": INNER,
    "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS,
    "num_hidden_layers": LAYERS,
    "vocab_size": len(WORDS),
    "tie_word_embeddings": True,
}


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights by their names in transformers, rounded so that bf16 holds them exactly."""
    draw = np.random.default_rng(seed)

    def matrix(*shape: int) -> np.ndarray:
        return (draw.integers(-64, 64, shape) / 128).astype(np.float32)

    named = {"model.embed_tokens.weight": matrix(len(WORDS), HIDDEN), "model.norm.weight": matrix(HIDDEN)}
    for layer in range(LAYERS):
        start = f"model.layers.{layer}"
        named |= {f"{start}.self_attn.{part}_proj.weight": matrix(HIDDEN, HIDDEN) for part in "qkvo"}
        named |= {f"{start}.mlp.{part}_proj.weight": matrix(INNER, HIDDEN) for part in ("gate", "up")}
        named[f"{start}.mlp.down_proj.weight"] = matrix(HIDDEN, INNER)
        named |= {f"{start}.{part}_layernorm.weight": matrix(HIDDEN) for part in ("input", "post_attention")}
    return named


def files(seed: int = 0) -> dict[str, bytes]:
    """The files of a model by their names, as a hub publishes them."""
    from safetensors.numpy import save

    bpe = {"type": "BPE", "vocab": {word: place for place, word in enumerate(WORDS)}, "merges": MERGES}
    tokenizer = {"version": "1.0", "added_tokens": [], "pre_tokenizer": None, "model": bpe}
    return {
        "config.json": json.dumps(CONFIG).encode(),
        "model.safetensors": save(weights(seed)),
        "tokenizer.json": json.dumps(tokenizer).encode(),
        "tokenizer_config.json": json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}).encode(),
        "chat_template.jinja": TEMPLATE.encode(),
    }


def write(folder: Path, contents: dict[str, bytes]) -> Path:
    """Put files into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return folder


def write_gguf(path: Path) -> dict[str, np.ndarray]:
    """Write `weights()` as a GGUF file, laid out as llama.cpp does; returns them by their names in transformers."""
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(WORDS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(WORDS)
    writer.add_token_types([3 if word.startswith("<|") else 1 for word in WORDS])  # 3: control, 1: normal
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(TEMPLATE)
    named = weights()
    places = {"self_attn.": "attn_", "o_proj": "output", "mlp.": "ffn_", "input_layernorm": "attn_norm"}
    for name, value in named.items():
        stored, place = value, name.replace("post_attention_layernorm", "ffn_norm")
        for long, short in places.items():
            place = place.replace(long, short)
        place = place.replace("model.embed_tokens", "token_embd").replace("model.norm", "output_norm")
        place = place.replace("model.layers.", "blk.").replace("_proj", "")
        if ".q_proj." in name or ".k_proj." in name:  # rotary halves lie side by side there
            stored = value.reshape(HEADS, 2, HIDDEN // HEADS // 2, HIDDEN).swapaxes(1, 2).reshape(value.shape)
        writer.add_tensor(place, np.ascontiguousarray(stored))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return named
