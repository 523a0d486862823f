"""Remarks about a data set that are no faults: files that are no images, and what a centre crop leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.data.contract import Place
from zoo.data.inspection import natural_size
from zoo.images.left_out import in_one_line

#: Share of the pictures' area, on average, from which a crop is worth a remark.
REMARKABLE = 0.01


def notes(dataset: Any, sizes: Sequence[tuple[int, int]], place: Place) -> tuple[str, ...]:
    """Return the remarks about a training split, a line each.

    Args:
        dataset: the split.
        sizes: width and height of each picture that can be read.
        place: of its items.
    """
    left_out: Mapping[str, int] = getattr(dataset, "left_out", dict)()
    lines = [" ".join(note.split()) for note in getattr(dataset, "notes", ())]
    lines += [f"left out, because they are no images of a class: {in_one_line(left_out)}"] if left_out else []
    if sizes:
        lines += crop_note(sizes, natural_size(dataset, place))
    return tuple(lines)


def crop_note(sizes: Sequence[tuple[int, int]], target: tuple[int, int]) -> list[str]:
    """Return a line about what a centre crop leaves out of pictures; none where it is less than REMARKABLE.

    Args:
        sizes: width and height of each picture.
        target: height and width of the network's input.
    """
    lost = lost_shares(sizes, target)
    if lost.mean() < REMARKABLE:
        return []
    width, height = sizes[int(np.argmax(lost))]
    return [
        f"a network that sees {target[0]}x{target[1]} pixels (--data.image_size) gets the centre: {lost.mean():.0%} of "
        f"the pictures' area is cut off on average, {lost.max():.0%} at most ({width}x{height}, width x height); "
        "--data.resize letterbox or stretch shows whole pictures"
    ]


def lost_shares(sizes: Sequence[tuple[int, int]], target: tuple[int, int]) -> np.ndarray:
    """Return the share of each picture's area, 0 to 1, that is cut off after it was scaled to cover ``target``."""
    width, height = np.array(sizes, np.float64).reshape(-1, 2).T
    ratio = (width / height) / (target[1] / target[0])
    shares: np.ndarray = 1 - np.minimum(ratio, 1 / ratio)
    return shares
