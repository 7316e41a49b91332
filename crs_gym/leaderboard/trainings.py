"""The learning curves of trainings, as pictures that a page carries."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from crs_gym.errors import TraceError
from crs_gym.seed_curves import curves_of as seed_curves
from crs_gym.seed_curves import draw_curves
from crs_gym.trainer import SETTINGS_FILE

CURVE_FILE: Final = "curve.png"
"""What a trainer calls the picture that it leaves in its folder, or in the folder of each of its stages."""

_PNG: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Curve:
    """One picture.

    Attributes:
        title: The training's folder, and the stage's in it.
        address: The picture, as an address that holds it.
    """

    title: str
    address: str


def curves_of(directories: Sequence[Path]) -> list[Curve]:
    """The curves in the folders of trainings, and of their stages in the order in which they ended.

    Several trainings of one learner, each with a history of evaluations, become one picture: see `seed_curves`.

    Raises:
        TraceError: A folder holds none, or one cannot be read.
        TrainingError: Several trainings of one learner were evaluated at different turns.
    """
    by_learner: dict[str, list[Path]] = {}
    for directory in directories:
        if learner := _learner(directory):
            by_learner.setdefault(learner, []).append(directory)
    seeds = {learner: of for learner, of in by_learner.items() if len(of) > 1}
    together = {directory for of in seeds.values() for directory in of}
    return [
        *_pictures([directory for directory in directories if directory not in together]),
        *(_of_seeds(learner, of) for learner, of in seeds.items()),
    ]


def _learner(directory: Path) -> str | None:
    """What was trained in a folder, if it holds a history over seeds' common turns."""
    try:
        settings = json.loads((directory / SETTINGS_FILE).read_text("utf-8"))
        return str(settings["learner"]) if (directory / "history.json").is_file() else None
    except (OSError, ValueError, KeyError):
        return None


def _of_seeds(learner: str, directories: Sequence[Path]) -> Curve:
    with TemporaryDirectory() as folder:
        path = Path(folder) / CURVE_FILE
        draw_curves(seed_curves(directories), path, f"{learner} over the valid split while it learns")
        return _curve(f"{learner}, {len(directories)} seeds: interquartile mean with 95% interval", path.read_bytes())


def _curve(title: str, picture: bytes) -> Curve:
    return Curve(title, f"data:image/png;base64,{base64.b64encode(picture).decode()}")


def _pictures(directories: Sequence[Path]) -> list[Curve]:
    curves: list[Curve] = []
    for directory in directories:
        try:
            found = sorted(
                (*directory.glob(CURVE_FILE), *directory.glob(f"*/{CURVE_FILE}")), key=lambda path: path.stat().st_mtime
            )
            pictures = [path.read_bytes() for path in found]
        except OSError as error:
            raise TraceError(f"cannot read the curves in {directory}: {error.strerror}") from error
        if not found:
            raise TraceError(
                f"{directory} holds no learning curve ({CURVE_FILE}). Way out: name a folder in which `crs-gym train` "
                "has ended"
            )
        for path, picture in zip(found, pictures, strict=True):
            if not picture.startswith(_PNG):
                raise TraceError(f"{path} is no picture. Way out: train again, or leave the folder out")
            place = path.parent.relative_to(directory.parent)
            curves.append(_curve(place.as_posix(), picture))
    return curves
