"""A report's figures as SVG, drawn by matplotlib, to stand in a page's own text.

Text and axes take the colour of the page's text and everything else is readable on light and dark, so one drawing
serves both. No name of a class or a run is drawn: fonts lack letters, and the page has room for long names.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from zoo.reports.assess import BINS, Assessment

#: Stands for the page's text colour until the drawing is done.
INK = "#010203"

#: At least 3:1 against white and against the page's dark ground; in this order for runs that are compared.
COLOURS = ("#3b82f6", "#d97706", "#16a34a", "#db2777", "#8b5cf6", "#0e9aa7", "#a16207", "#64748b")
DASHES = ("-", "--", ":", "-.")

#: Groups of classes that a heat picture of the confusion has on a side, at most.
GROUPS = 100

SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "zoo",
    "font.size": 9,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,
}

#: Inches: as wide as a telephone, so that text keeps its size there.
SIZE = (4.2, 2.9)


@dataclass(frozen=True)
class Line:
    """One curve.

    Args:
        points: ``(x, y)``.
        number: of its colour and dashes.
        faint: whether it stays in the background.
    """

    points: Sequence[tuple[float, float]]
    number: int = 0
    faint: bool = False


def line_style(number: int) -> tuple[str, str]:
    """Return colour and dashes of the n-th line."""
    return COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]


def draw_curves(name: str, alt: str, lines: Sequence[Line], best: float | None = None, percent: bool = False) -> str:
    """Draw curves over epochs.

    Args:
        name: of the drawing, unique in its page.
        alt: what it shows, for those who do not see it.
        lines: the curves; one of a single point is a dot.
        best: epoch that is marked by a vertical line.
        percent: whether values are shares.
    """
    with mpl.rc_context(SETTINGS):
        figure, axes = _axes("epoch", bottom=0.16)
        for line in lines:
            colour, dashes = line_style(line.number)
            x, y = zip(*line.points, strict=True)
            marker = "o" if len(x) == 1 else None
            width, alpha = (0.8, 0.45) if line.faint else (1.8, 1.0)
            axes.plot(x, y, dashes, color=colour, lw=width, alpha=alpha, marker=marker)
        if best is not None:
            axes.axvline(best, color=INK, lw=0.8, ls=":")
        if percent:
            axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        return _svg(figure, name, alt)


def draw_speed(name: str, alt: str, lines: Sequence[Line]) -> str:
    """Draw images per second over epochs, from 0."""
    with mpl.rc_context(SETTINGS):
        figure, axes = _axes("epoch", bottom=0.16)
        for line in lines:
            colour, dashes = line_style(line.number)
            axes.plot(*zip(*line.points, strict=True), dashes, color=colour, lw=1.5, marker="o", ms=3)
        axes.set_ylim(0, 1.1 * max(value for line in lines for _, value in line.points))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.{int(value % 1 > 0)}f}")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        return _svg(figure, name, alt)


def draw_reliability(name: str, alt: str, assessment: Assessment) -> str:
    """Draw, for each bin of confidence, which share of its answers was right, and which share of all answers it has.

    A dot stands at a bin's mean confidence, and a dashed line where accuracy equals confidence.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(SIZE[0], 3.9))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        figure.subplots_adjust(left=0.16, right=0.97, top=0.97, bottom=0.13, hspace=0.1)
        counts = assessment.bin_counts
        used = counts > 0
        centres, width = (np.arange(BINS) + 0.5) / BINS, 0.9 / BINS
        accuracy = assessment.bin_hits[used] / counts[used]
        confidence = assessment.bin_confidence[used] / counts[used]
        upper.bar(centres[used], accuracy, width, color=COLOURS[0])
        upper.plot(confidence, accuracy, "o", ms=3.5, color=COLOURS[1])
        upper.plot([0, 1], [0, 1], ls="--", lw=0.9, color=INK)
        upper.set_ylim(0, 1.02)
        upper.set_ylabel("accuracy")
        lower.bar(centres[used], counts[used] / counts.sum(), width, color=COLOURS[7])
        lower.set_xlim(0, 1)
        lower.set_ylabel("share")
        lower.set_xlabel("confidence")
        for axes in (upper, lower):
            _plain(axes)
        return _svg(figure, name, alt)


def draw_confusion(name: str, alt: str, confusion: np.ndarray) -> str:
    """Draw a confusion matrix as heat: the share of each row on a square root scale.

    Args:
        name: of the drawing, unique in its page.
        alt: what it shows.
        confusion: int64 ``(classes, classes)``; of more than GROUPS classes, neighbours are added up.
    """
    size = len(confusion)
    step = group_size(size)
    starts = np.arange(0, size, step)
    summed = np.add.reduceat(np.add.reduceat(confusion, starts, axis=0), starts, axis=1)
    share = summed / np.maximum(summed.sum(axis=1, keepdims=True), 1)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(SIZE[0] * 1.3, SIZE[0] * 1.3))
        axes = figure.add_axes((0.14, 0.11, 0.81, 0.85))
        red, green, blue = (int(COLOURS[0][place : place + 2], 16) / 255 for place in (1, 3, 5))
        pixels = np.empty((*share.shape, 4))
        pixels[..., :3], pixels[..., 3] = (red, green, blue), np.sqrt(share)
        axes.patch.set_visible(False)
        axes.imshow(pixels, extent=(0, size, size, 0), interpolation="nearest")
        axes.set_xlabel("predicted class, by number")
        axes.set_ylabel("true class, by number")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(6, integer=True))
        return _svg(figure, name, alt)


def group_size(classes: int) -> int:
    """Return how many neighbouring classes ``draw_confusion`` takes together."""
    return -(-classes // GROUPS)


def _axes(label: str, bottom: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE)
    axes = figure.add_axes((0.15, bottom, 0.82, 0.97 - bottom))
    axes.set_xlabel(label)
    _plain(axes)
    return figure, axes


def _plain(axes: Axes) -> None:
    axes.patch.set_visible(False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=INK, alpha=0.15, lw=0.6)
    axes.set_axisbelow(True)


def _svg(figure: Figure, name: str, alt: str) -> str:
    """Return a figure as an SVG element of an HTML page."""
    figure.patch.set_visible(False)
    content = io.StringIO()
    figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = content.getvalue()
    body = text[text.index("<svg") :].replace(INK, "currentColor")
    body = re.sub(
        r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL
    )  # it would style the page
    body = re.sub(r'( id="|ref="#|url\(#)', rf"\g<1>{name}-", body)  # ids must differ from other drawings'
    box = re.search(r'viewBox="[^"]*"', body)
    return f'<svg {box[0] if box else ""} role="img" aria-label="{escape(alt)}">{body[body.index(">") + 1 :]}'
