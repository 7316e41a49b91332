"""Where labels stand, so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""

_SIDES: Final = tuple(
    (dx, dy, side) for dy in (0.0, 9.0, -9.0, 18.0, -18.0, 27.0, -27.0) for dx, side in ((9.0, "left"), (-9.0, "right"))
)
_HALF_LINE: Final = 6.0


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Heights moved as little as needed so that neighbours stand at least `gap` apart; their order stays.

    Neighbours that are too near become one block around their mean, again and again until none are.
    """
    order = sorted(range(len(heights)), key=lambda i: (heights[i], i))
    blocks: list[tuple[float, list[int]]] = []  # middle, members from low to high
    for i in order:
        blocks.append((heights[i], [i]))
        while len(blocks) > 1 and _top(blocks[-2], gap) + gap > _bottom(blocks[-1], gap):
            (low, below), (high, above) = blocks[-2:]
            middle = (low * len(below) + high * len(above)) / (len(below) + len(above))
            blocks[-2:] = [(middle, below + above)]
    out = [0.0] * len(heights)
    for block in blocks:
        for place_in, i in enumerate(block[1]):
            out[i] = _bottom(block, gap) + place_in * gap
    return out


def free_place(
    point: tuple[float, float], width: float, right: float, points: Sequence[tuple[float, float]], boxes: list[Box]
) -> tuple[float, float, str]:
    """Where a label stands beside its point: the place around it that covers the fewest labels and points.

    Args:
        point: What is labelled, in units from the lower left corner, as everything here.
        width: Of the label.
        right: Where the plot ends.
        points: What should not be covered.
        boxes: The labels so far; this one is added.

    Returns:
        Offset to the right, offset upwards, and how the text is aligned (`left` or `right`).
    """
    x, y = point

    def box_of(side: tuple[float, float, str]) -> Box:
        left = x + side[0] if side[2] == "left" else x + side[0] - width
        return left, y + side[1] - _HALF_LINE, left + width, y + side[1] + _HALF_LINE

    def cost(side: tuple[float, float, str]) -> float:
        box = box_of(side)
        outside = box[0] < 0 or box[2] > right or box[1] < 0
        labels = sum(_overlap(box, other) for other in boxes)
        covered = sum(box[0] - 4 < px < box[2] + 4 and box[1] < py < box[3] for px, py in points)
        return 10.0 * outside + 2.0 * labels + covered

    best = min(_SIDES, key=cost)
    boxes.append(box_of(best))
    return best


def _top(block: tuple[float, list[int]], gap: float) -> float:
    return block[0] + (len(block[1]) - 1) * gap / 2


def _bottom(block: tuple[float, list[int]], gap: float) -> float:
    return block[0] - (len(block[1]) - 1) * gap / 2


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
