"""A folder with a model: whether it is whole, and safe to load."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from crs_gym.errors import WeightsError

CONFIG: Final = "config.json"
WEIGHTS: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"

_OTHER_FORMATS: Final = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf")

TOKENIZERS: Final = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
"""Any of these makes a tokenizer."""


def check_model_folder(folder: Path) -> None:
    """Make sure that a folder holds a model that is read from safetensors and runs no code of its own.

    Raises:
        WeightsError: It does not; the message says what is wrong and what to do.
    """
    if not folder.is_dir():
        found = "is a file; name the folder that holds it" if folder.exists() else "is not there"
        raise WeightsError(f"{folder} {found}. A model is a folder with {CONFIG}, {WEIGHTS} and a tokenizer.")
    if not (folder / CONFIG).is_file():
        adapter = (folder / "adapter_config.json").is_file()
        why = "is an adapter: name the model that it belongs to" if adapter else f"holds no {CONFIG}"
        raise WeightsError(f"{folder} {why}. A model is a folder with {CONFIG}, {WEIGHTS} and a tokenizer.")
    refuse_code(folder)
    for path in _weight_files(folder):
        _check_safetensors(path)
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise WeightsError(
            f"{folder} holds no tokenizer ({', '.join(TOKENIZERS)}). Way out: save the model's own there, with "
            f"AutoTokenizer.from_pretrained(…).save_pretrained({str(folder)!r})"
        )


def is_whole(folder: Path) -> bool:
    """Whether the folder holds a configuration and all files of its weights."""
    try:
        return (folder / CONFIG).is_file() and bool(_weight_files(folder))
    except WeightsError:
        return False


def refuse_code(folder: Path) -> None:
    """Make sure that the model brings no code to run.

    Raises:
        WeightsError: It does, or its configuration cannot be read.
    """
    for name in (CONFIG, "tokenizer_config.json"):
        if (folder / name).is_file() and read_settings(folder / name).get("auto_map"):
            raise WeightsError(
                f"{folder / name} asks to run code that comes with the model (auto_map). crs-gym runs none. Way out: a "
                "model that transformers knows by itself; where it knows this one, a copy without auto_map."
            )


def _weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        shards = read_settings(folder / INDEX).get("weight_map")
        names = sorted(set(shards.values())) if isinstance(shards, dict) else []
        missing = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
        if missing or not names:
            what = f"names {missing[0]}, which is not there" if missing else "names no file"
            raise WeightsError(f"{folder / INDEX} {what}. Way out: get the model again, whole.")
        return [folder / name for name in names]
    others = sorted(path.name for path in folder.iterdir() if path.suffix in _OTHER_FORMATS)
    if others:
        raise WeightsError(
            f"{folder} holds {', '.join(others[:3])}, but no {WEIGHTS}, and only safetensors are read: other files can "
            "run code when they are opened. Way out: load it once where you trust it and write it anew with "
            "model.save_pretrained(folder, safe_serialization=True)."
        )
    raise WeightsError(f"{folder} holds no {WEIGHTS} and no {INDEX}. Way out: get the model again, whole.")


def _check_safetensors(path: Path) -> None:
    """Read the file's header, which tells how long it must be."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise WeightsError(
            f'the package {error.name}, which reads weights, is not installed. Way out: pip install "crs-gym[llm]"'
        ) from error
    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is cut short, damaged or no safetensors file: {error}. Way out: delete it and get it again."
        ) from error


def read_settings(path: Path) -> dict[str, Any]:
    """A file of settings.

    Raises:
        WeightsError: It cannot be read, or is no JSON object.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} cannot be read: {error}. Way out: get the model again.") from error
