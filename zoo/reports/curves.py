"""Curves of a run's training, as drawings with captions."""

from __future__ import annotations

import numpy as np

from zoo.reports import charts
from zoo.runs.metrics import History

#: Each drawing: title, columns of epochs, column of steps, whether its values are shares.
CURVES = (
    ("loss", ("train/loss", "val/loss"), "train/loss_step", False),
    ("accuracy", ("train/accuracy", "val/accuracy"), "train/accuracy_step", True),
)


def draw_history(history: History, best_epoch: float | None, prefix: str = "") -> list[tuple[str, str]]:
    """Return drawings with their captions: loss and accuracy over epochs, counted from 1.

    Args:
        history: of the run.
        best_epoch: is marked by a vertical line; None marks none.
        prefix: of the drawings' names, which differ from those of other drawings in a page.
    """
    drawings: list[tuple[str, str]] = []
    for title, columns, step_column, percent in CURVES:
        curves = {column.partition("/")[0]: history.curve(column) for column in columns}
        lines = [charts.Line(points, number) for number, points in enumerate(curves.values()) if points]
        if steps := history.curve(step_column):
            lines.insert(0, charts.Line(steps, 0, faint=True))
        if lines:
            form = ".1%" if percent else ".4f"
            last = "; ".join(f"{name} {points[-1][1]:{form}}" for name, points in curves.items() if points)
            epochs = f"{history.trained} epoch{'s' * (history.trained != 1)}"
            caption = f"{title.capitalize()} over {epochs}; in the last: {last or 'not measured'}"
            drawings.append((charts.draw_curves(prefix + title, caption, lines, best_epoch, percent), caption))
    return drawings


def draw_speeds(history: History) -> tuple[str, str] | None:
    """Return a drawing of images per second over epochs with its caption; None where no epoch was measured."""
    points = history.curve("images_per_second")
    if not points:
        return None
    values = [value for _, value in points]
    span = f"{np.median(values):,.0f} (median; {min(values):,.0f} to {max(values):,.0f})"
    caption = f"Images per second while training: {span}"
    return charts.draw_speed("speed", caption, [charts.Line(points)]), caption
