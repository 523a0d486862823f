"""Pictures of what a network guesses and of what a data set holds, drawn by matplotlib without a display."""

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
from zoo.runs.files import require_folder, write_atomically

FORMATS = (".png", ".svg", ".pdf")

#: Images that one picture of guesses shows at most: each takes 2.6 inches of it.
MAX_IMAGES = 20

#: Bars that always have room, so that one or two are no blocks.
LEAST_BARS = 5

#: Pixels on the longer side that an image is drawn with.
DRAWN_SIDE = 512

#: Bars that an image has at most.
MOST_BARS = 30

#: No text is read as TeX: a class may be called "$5".
PLAIN: dict[str, Any] = {"parse_math": False}


def require_plot(option: str, path: str) -> Path:
    """Return where a picture goes.

    Raises:
        UserError: its ending is of no format that is drawn, or there is no such folder.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise UserError(f"{option} is '{path}'; allowed are names that end in {', '.join(FORMATS)}")
    return require_folder(option, path)


def draw_guesses(path: Path, titles: Sequence[str], images: Sequence[np.ndarray], guesses: Sequence[Any]) -> None:
    """Draw each image beside its likeliest classes as bars.

    Args:
        path: the file to write.
        titles: one for each image.
        images: uint8 ``(height, width, channels)``, 1 or 3 channels, any size.
        guesses: for each image its ``(class, probability)`` pairs, the likeliest first; MOST_BARS are drawn.
    """
    guesses = [pairs[:MOST_BARS] for pairs in guesses]
    figure = Figure(figsize=(10, 0.3 + sum(_inches(pairs) for pairs in guesses)), layout="constrained")
    axes = figure.subplots(len(images), 2, squeeze=False, height_ratios=[_inches(pairs) for pairs in guesses])
    for (left, right), title, image, pairs in zip(axes, titles, images, guesses, strict=True):
        _show(left, image)
        left.set_title(_drawable(title), fontsize=9, **PLAIN)
        names, values = [_drawable(name) for name, _ in pairs], [value for _, value in pairs]
        bars = right.barh(range(len(pairs)), values, color="C0")
        right.bar_label(bars, [f"{value:.1%}" for value in values], padding=3, fontsize=8)
        right.set_yticks(range(len(pairs)), names, fontsize=8, **PLAIN)
        right.set_ylim(max(len(pairs), LEAST_BARS) - 0.5, -0.5)  # the likeliest above
        right.set_xlim(0, 1.12)
        right.set_xticks([])
        right.spines[["top", "right", "bottom"]].set_visible(False)
    _save(figure, path)


@dataclass(frozen=True)
class ClassRow:
    """One class of a data set.

    Args:
        name: of the class.
        caption: what is said below the name.
        images: some of its images, uint8 ``(height, width, channels)``.
    """

    name: str
    caption: str
    images: Sequence[np.ndarray]


def draw_samples(path: Path, title: str, rows: Sequence[ClassRow]) -> None:
    """Draw some images of each class, a row a class.

    Args:
        path: the file to write.
        title: above all.
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


def draw_by(path: Path, plot: Callable[..., Any]) -> None:
    """Draw what a library draws by itself.

    Args:
        path: the file to write.
        plot: draws on the axes that it is given as ``ax``.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    plot(ax=figure.subplots())
    _save(figure, path)


def _inches(pairs: Sequence[Any]) -> float:
    """Return how high an image's row is: room for its bars, and for the picture."""
    return max(2.6, 0.6 + 0.22 * len(pairs))


def shrunk(image: np.ndarray) -> np.ndarray:
    """Return an image ``(height, width, channels)`` with at most DRAWN_SIDE pixels on its longer side."""
    step = -(-max(image.shape[:2]) // DRAWN_SIDE)
    return image if step == 1 else image[::step, ::step].copy()


def _drawable(text: str) -> str:
    """Return a text in which bytes of a file's name that are no UTF-8 are question marks."""
    return text.encode("utf-8", "replace").decode()


def _show(place: Axes, image: np.ndarray) -> None:
    small = shrunk(image)
    place.imshow(small[..., 0] if small.shape[2] == 1 else small, cmap="gray", vmin=0, vmax=255)
    place.set_axis_off()


def _save(figure: Figure, path: Path) -> None:
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:].lower(), dpi=120)
    write_atomically(path, content.getvalue())
