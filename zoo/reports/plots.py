"""Draw predictions and samples of a data set into image files with matplotlib; no display is needed."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zoo.core.errors import UserError
from zoo.images.files import viewable
from zoo.runs.files import require_folder, write_atomically

FORMATS = (".png", ".svg", ".pdf")

#: Most images in one plot of predictions: each takes 2.6 inches of its height.
MAX_IMAGES = 20

#: Fewest and most bars of an image: room for the fewest is always left, so that one or two do not become blocks.
LEAST_BARS, MOST_BARS = 5, 30

#: Most pixels on the longer side of a drawn image.
DRAWN_SIDE = 512

#: Text options: a class may be called "$5", which matplotlib would read as TeX.
PLAIN: dict[str, Any] = {"parse_math": False}


def require_plot(option: str, path: str) -> Path:
    """Return the path of a plot to write.

    Raises:
        UserError: its name does not end in one of FORMATS, or its folder does not exist.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise UserError(f"{option} is '{path}'; allowed are names that end in {', '.join(FORMATS)}")
    return require_folder(option, path)


def draw_predictions(
    path: Path,
    titles: Sequence[str],
    images: Sequence[np.ndarray],
    seen: Sequence[np.ndarray],
    predictions: Sequence[Any],
) -> None:
    """Draw each image, what the network sees of it, and bars of its most likely classes.

    Args:
        path: the file to write.
        titles: one for each image.
        seen: the pixels that the network gets of each image, as ``images``.
        images: uint8 ``(height, width, channels)``, 1 or 3 channels, any size.
        predictions: for each image ``(class, probability)`` pairs, the most likely first; MOST_BARS are drawn.
    """
    predictions = [pairs[:MOST_BARS] for pairs in predictions]
    heights = [max(2.6, 0.6 + 0.22 * len(pairs)) for pairs in predictions]  # inches: room for the bars and the image
    figure = Figure(figsize=(10, 0.3 + sum(heights)), layout="constrained")
    columns = {"width_ratios": (3, 2, 4), "height_ratios": heights}
    axes = figure.subplots(len(images), 3, squeeze=False, gridspec_kw=columns)
    for (left, middle, right), title, image, pixels, pairs in zip(axes, titles, images, seen, predictions, strict=True):
        _show(left, image)
        left.set_title(_drawable(title), fontsize=9, **PLAIN)
        _show(middle, pixels)
        middle.set_title(f"seen at {pixels.shape[1]}x{pixels.shape[0]}", fontsize=9)
        names, values = [_drawable(name) for name, _ in pairs], [value for _, value in pairs]
        bars = right.barh(range(len(pairs)), values, color="C0")
        right.bar_label(bars, [f"{value:.1%}" for value in values], padding=3, fontsize=8)
        right.set_yticks(range(len(pairs)), names, fontsize=8, **PLAIN)
        right.set_ylim(max(len(pairs), LEAST_BARS) - 0.5, -0.5)  # the most likely at the top
        right.set_xlim(0, 1.12)
        right.set_xticks([])
        right.spines[["top", "right", "bottom"]].set_visible(False)
    _save(figure, path)


@dataclass(frozen=True)
class ClassRow:
    """One class of a data set.

    Args:
        name: of the class.
        caption: text below the name.
        images: samples, uint8 ``(height, width, channels)``.
    """

    name: str
    caption: str
    images: Sequence[np.ndarray]


def draw_samples(path: Path, title: str, rows: Sequence[ClassRow]) -> None:
    """Draw sample images of each class, one class per row.

    Args:
        path: the file to write.
        title: at the top.
        rows: the classes.
    """
    columns = max(len(row.images) for row in rows)
    figure = Figure(figsize=(1.6 + columns * 0.9, 0.6 + len(rows) * 0.9), layout="constrained")
    figure.suptitle(_drawable(title), fontsize=10, **PLAIN)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        for place in line:
            place.set_axis_off()
        for place, image in zip(line, row.images, strict=False):
            _show(place, image)
        label = _drawable(f"{row.name}\n{row.caption}")
        text = {"ha": "right", "va": "center", "fontsize": 8, **PLAIN}
        line[0].annotate(label, (-0.1, 0.5), xycoords="axes fraction", annotation_clip=False, **text)
    _save(figure, path)


def draw_views(path: Path, title: str, images: Sequence[np.ndarray], views: Sequence[Sequence[np.ndarray]]) -> None:
    """Draw images and, beside each, what training makes of it in the first epochs.

    Args:
        path: the file to write.
        title: at the top.
        images: uint8 ``(height, width, channels)``.
        views: of each image, as many.
    """
    columns = 1 + len(views[0])
    figure = Figure(figsize=(columns * 1.2, 0.5 + len(images) * 1.2), layout="constrained")
    figure.suptitle(_drawable(title), fontsize=10, **PLAIN)
    axes = figure.subplots(len(images), columns, squeeze=False)
    for place, text in zip(axes[0], ["as it is", *(f"epoch {number}" for number in range(1, columns))], strict=True):
        place.set_title(text, fontsize=8)
    for line, image, row in zip(axes, images, views, strict=True):
        for place, pixels in zip(line, [image, *row], strict=True):
            _show(place, pixels)
    _save(figure, path)


def draw_with(path: Path, plot: Callable[..., Any]) -> None:
    """Write a plot that a library draws.

    Args:
        path: the file to write.
        plot: is called with the axes to draw on as ``ax``.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    plot(ax=figure.subplots())
    _save(figure, path)


def shrink(image: np.ndarray) -> np.ndarray:
    """Leave out pixels of an image ``(height, width, channels)`` until its longer side has at most DRAWN_SIDE."""
    step = -(-max(image.shape[:2]) // DRAWN_SIDE)
    return image if step == 1 else image[::step, ::step].copy()


def _drawable(text: str) -> str:
    """Replace bytes of a file's name that are not UTF-8 by question marks."""
    return text.encode("utf-8", "replace").decode()


def _show(place: Axes, image: np.ndarray) -> None:
    small = viewable(shrink(image))
    place.imshow(small[..., 0] if small.shape[2] == 1 else small, cmap="gray", vmin=0, vmax=255)
    place.set_axis_off()


def _save(figure: Figure, path: Path) -> None:
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:].lower(), dpi=120)
    write_atomically(path, content.getvalue())
