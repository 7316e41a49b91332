"""From a GGUF file to a folder that every library reads: config.json, model.safetensors in bf16, and the tokenizer."""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from crs_gym.errors import WeightsError

if TYPE_CHECKING:
    from transformers import TokenizersBackend

RULES: Final = 1
"""Changes whenever `convert` writes something else for the same file."""

_MARKS: Final = ("quantization_config", "_model_name_or_path", "_name_or_path")
"""Settings that tell where a model came from, not what it is."""

_SPLITS_DIGITS: Final = "smollm"
"""The value of `tokenizer.ggml.pre` that says: split before every digit, then as GPT-2 does."""


def check_published(source: Path, sha256: str, way_out: str) -> None:
    """Make sure that a GGUF file is the one that was published.

    Raises:
        WeightsError: It is another one, damaged, or cannot be read; the message ends with `way_out`.
    """
    try:
        with source.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{source} cannot be read: {error.strerror or error}. Way out: {way_out}") from error
    if found != sha256:
        raise WeightsError(f"{source} is damaged: its sha256 is {found}, not {sha256}. Way out: {way_out}")


def convert(source: Path, folder: Path) -> None:
    """Write a GGUF file's model and tokenizer into a folder.

    The quantised numbers are taken as they are and rounded to bf16.

    Args:
        source: A GGUF file of a causal language model.
        folder: An empty folder.

    Raises:
        WeightsError: A package that this needs is missing.
        OSError: The folder cannot be written, e.g. on a full disk.
    """
    try:
        import gguf  # noqa: F401  # transformers reads the file with it
        import torch
        import transformers
        from safetensors import SafetensorError
        from transformers import AutoTokenizer
    except ImportError as error:
        raise WeightsError(
            f"{source} must be converted before it can be used, and the package {error.name} is not installed. "
            'Way out: pip install "crs-gym[llm]"'
        ) from error
    # transformers leaves a few of these without types
    model_class: Any = transformers.AutoModelForCausalLM
    generation_class: Any = transformers.GenerationConfig
    with _bars_on_a_terminal_only():
        tokenizer = AutoTokenizer.from_pretrained(str(source.parent), gguf_file=source.name)
        read = model_class.from_pretrained(str(source.parent), gguf_file=source.name, dtype=torch.float32)
        # What was read keeps a mark of GGUF, which forbids casting, saving and adapters. A fresh model has none.
        settings = {key: value for key, value in read.config.to_dict().items() if key not in _MARKS}
        config = type(read.config).from_dict(settings | {"dtype": torch.bfloat16})
        with torch.device("meta"):  # no time is spent on weights that are overwritten at once
            model = model_class.from_config(config)
        weights = {name: tensor.to(torch.bfloat16) for name, tensor in read.state_dict().items()}
        model.load_state_dict(weights, assign=True)
        model.tie_weights()
        model.generation_config = generation_class(
            bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id
        )
        try:
            model.save_pretrained(folder)
        except SafetensorError as error:  # what a full disk is called there
            raise OSError(str(error)) from error
    _mend_tokenizer(cast("TokenizersBackend", tokenizer), source, config.max_position_embeddings)
    tokenizer.save_pretrained(folder)
    for path in folder.glob("*.safetensors"):  # saved for their owner alone; a cache may be shared
        shutil.copymode(folder / "config.json", path)


def _mend_tokenizer(tokenizer: TokenizersBackend, source: Path, max_tokens: int) -> None:
    """Add what transformers does not take over from the file: the split before digits, and the context's length."""
    from gguf import GGUFReader
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    tokenizer.model_max_length = max_tokens
    field: Any = GGUFReader(source).fields.get("tokenizer.ggml.pre")
    if field is not None and field.contents() == _SPLITS_DIGITS:
        # Two line ends before a "3" are one token to the model; without the split they would be two.
        splits = Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False, use_regex=True)])
        tokenizer.backend_tokenizer.pre_tokenizer = splits


@contextmanager
def _bars_on_a_terminal_only() -> Iterator[None]:
    """Keep progress bars out of logs and pipes: not all of them ask where they are drawn."""
    if sys.stderr.isatty():
        yield
    else:
        with redirect_stderr(io.StringIO()):
            yield
