"""Models of the Hugging Face hub: from its cache on this machine, or downloaded into it.

`huggingface_hub` has its own environment variables, and all of them hold here: HF_HOME and HF_HUB_CACHE (where the
cache is), HF_HUB_OFFLINE, HF_ENDPOINT (a mirror), HF_TOKEN.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from crs_gym.errors import WeightsError
from crs_gym.lm.model_folder import check_model_folder, is_whole, refuse_code

_TEXTS: Final = ("*.json", "*.txt", "*.jinja", "*.model", "*.tiktoken")
_WEIGHTS: Final = ("*.safetensors",)
_PASSED_OVER: Final = ("*/*.safetensors", "consolidated*.safetensors", "onnx/*", "openvino/*")
"""The same weights once more, in other precisions and layouts."""


def cached(name: str) -> Path | None:
    """The snapshot of a model that is on this machine, whole; `None` where there is none. Asks no network."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return None
    try:
        folder = Path(
            snapshot_download(
                name, allow_patterns=[*_TEXTS, *_WEIGHTS], ignore_patterns=list(_PASSED_OVER), local_files_only=True
            )
        )
    except (OSError, HFValidationError):  # an OSError tells that there is none, or that a part is missing
        return None
    return folder if is_whole(folder) else None  # one that was cut, or one of the tokenizer only, leaves a folder, too


def download(name: str) -> Path:
    """Have the newest snapshot of a model on this machine.

    Its small files come first, so that a model that is refused costs no gigabytes. A file that is cut is asked for
    again from where it stopped; files that came whole are kept, should the rest fail.

    Returns:
        The snapshot's folder in the hub's cache.

    Raises:
        WeightsError: The hub cannot be reached or has no such model, the download was cut, or the model is none that
            is read here.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise WeightsError(
            f"{name!r} would come from the Hugging Face hub, and the package {error.name} is not installed. Way out: "
            'pip install "crs-gym[llm]"'
        ) from error
    try:
        folder = Path(snapshot_download(name, allow_patterns=list(_TEXTS), ignore_patterns=list(_PASSED_OVER)))
        refuse_code(folder)
        snapshot_download(
            name,
            revision=folder.name,  # the commit that was just looked at
            allow_patterns=[*_TEXTS, *_WEIGHTS],
            ignore_patterns=list(_PASSED_OVER),
        )
    except WeightsError:
        raise
    except Exception as error:  # the hub's library lets errors of four other libraries through
        raise WeightsError(f"{name!r} cannot be had from the Hugging Face hub: {_why(error)}") from error
    if not is_whole(folder):
        raise WeightsError(
            f"{name!r} is not published as a model in safetensors (config.json, model.safetensors or its shards), and "
            "nothing else is read: other files can run code when they are opened. Way out: another model, or load it "
            "once where you trust it, write it with model.save_pretrained(folder) and name that folder."
        )
    check_model_folder(folder)
    return folder


def _why(error: Exception) -> str:
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    if isinstance(error, HFValidationError):
        return "this is no name of a model there; they look like organisation/model"
    if isinstance(error, GatedRepoError):
        return "its owner gives access on request; accept the terms on its page, and set HF_TOKEN"
    if isinstance(error, RepositoryNotFoundError) or (
        isinstance(error, HfHubHTTPError) and error.response.status_code in (401, 404)
    ):
        return "there is no such model, or it is shown to others only (set HF_TOKEN)"
    if constants.HF_HUB_OFFLINE:
        return f"HF_HUB_OFFLINE is set, and the hub's cache {constants.HF_HUB_CACHE} holds no whole copy"
    cause = error.__cause__ or error
    said = (str(cause).strip() or "no reason given").splitlines()[0].rstrip(".")
    kept = "files that came whole are kept: a new try gets the rest"
    return f"{type(cause).__name__}: {said} ({constants.ENDPOINT}; {kept})"
