"""The confusion matrix as files for experiment trackers: a drawing and a table."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

#: Most classes whose names and counts stand in the drawing; more are numbered.
NAMED_CLASSES = 25

#: Most characters of a class's name in the drawing.
NAME_LENGTH = 20


def write_confusion(folder: Path, confusion: np.ndarray, classes: Sequence[str]) -> list[Path]:
    """Write confusion_matrix.png and confusion_matrix.csv into a folder; rows are true classes.

    Args:
        folder: where they go.
        confusion: int64 ``(classes, classes)``, images by true class and predicted class.
        classes: their names.
    """
    table, drawing = folder / "confusion_matrix.csv", folder / "confusion_matrix.png"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["true class", *classes])
        writer.writerows([name, *row] for name, row in zip(classes, confusion.tolist(), strict=True))
    _draw(drawing, confusion, classes)
    return [drawing, table]


def _draw(path: Path, confusion: np.ndarray, classes: Sequence[str]) -> None:
    from sklearn.metrics import ConfusionMatrixDisplay  # half a second, only for who tracks

    named = len(classes) <= NAMED_CLASSES
    labels = [name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…" for name in classes]
    size = 2.5 + 0.45 * min(len(classes), NAMED_CLASSES)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.add_subplot()
    display = ConfusionMatrixDisplay(confusion, display_labels=labels if named else None)
    # A name is no formula, and a font that lacks its letters draws boxes.
    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings(action="ignore"):
        display.plot(ax=axes, cmap="Blues", colorbar=False, include_values=named, xticks_rotation="vertical")
        if not named:
            ticks = np.linspace(0, len(classes) - 1, 6, dtype=int)
            axes.set_xticks(ticks, ticks)
            axes.set_yticks(ticks, ticks)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        figure.savefig(path, dpi=120)
