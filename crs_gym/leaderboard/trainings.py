"""The learning curves of trainings, as pictures that a page carries."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crs_gym.errors import TraceError

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

    Raises:
        TraceError: A folder holds none, or one cannot be read.
    """
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
            curves.append(Curve(place.as_posix(), f"data:image/png;base64,{base64.b64encode(picture).decode()}"))
    return curves
