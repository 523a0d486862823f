"""Draw the charts of reports and comparisons with matplotlib, as SVG elements of a page.

Text and axes take the text colour of the page, and the other colours can be read on light and dark grounds. Names of
classes and runs stay out of the drawings: fonts lack letters, and the page has room for long names.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from zoo.reports.calibration import Calibration

#: Replaced by the text colour of the page when a drawing is done.
INK = "#010203"

#: Colours of lines, in this order; their contrast is at least 3:1 on white and on the page's dark ground.
COLOURS = ("#3b82f6", "#d97706", "#16a34a", "#db2777", "#8b5cf6", "#0e9aa7", "#a16207", "#64748b")
DASHES = ("-", "--", ":", "-.")

#: Most rows and columns of a confusion drawing; with more classes, neighbours are added up.
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

#: Inches: the width of a telephone, so that text keeps its size there.
SIZE = (4.2, 2.9)


@dataclass(frozen=True)
class Line:
    """One curve.

    Args:
        points: ``(x, y)``.
        number: selects its colour and dashes.
        faint: draw it thin and pale, behind the others.
    """

    points: Sequence[tuple[float, float]]
    number: int = 0
    faint: bool = False


def line_style(number: int) -> tuple[str, str]:
    """Return colour and dashes of the n-th line."""
    return COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]


def legend(names: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return name, colour and CSS border style of each line, in order."""
    styles = {"-": "solid", "--": "dashed", ":": "dotted", "-.": "dashed"}
    lines = ((name, *line_style(number)) for number, name in enumerate(names))
    return [(name, colour, styles[dashes]) for name, colour, dashes in lines]


def draw_curves(name: str, alt: str, lines: Sequence[Line], best: float | None = None, percent: bool = False) -> Markup:
    """Draw curves over epochs.

    Args:
        name: of the drawing, unique in its page.
        alt: text for readers who do not see it.
        lines: the curves; a curve of one point is drawn as a dot.
        best: epoch to mark by a vertical line.
        percent: show values, which are shares, as percentages.
    """
    with mpl.rc_context(SETTINGS):
        figure, axes = _axes()
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
        return _svg(figure, name, alt)


def draw_speed(name: str, alt: str, lines: Sequence[Line]) -> Markup:
    """Draw images per second over epochs, from 0."""
    with mpl.rc_context(SETTINGS):
        figure, axes = _axes()
        for line in lines:
            colour, dashes = line_style(line.number)
            axes.plot(*zip(*line.points, strict=True), dashes, color=colour, lw=1.5, marker="o", ms=3)
        axes.set_ylim(0, 1.1 * max(value for line in lines for _, value in line.points))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.{int(value % 1 > 0)}f}")
        return _svg(figure, name, alt)


def draw_reliability(name: str, alt: str, calibration: Calibration, bins: int) -> Markup:
    """Draw accuracy by bin of confidence, and below it each bin's share of all predictions.

    A dot stands at a bin's mean confidence; a dashed line shows where accuracy equals confidence.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(SIZE[0], 3.9))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        figure.subplots_adjust(left=0.16, right=0.97, top=0.97, bottom=0.13, hspace=0.1)
        centres, width = (calibration.bins + 0.5) / bins, 0.9 / bins
        upper.bar(centres, calibration.accuracy, width, color=COLOURS[0])
        upper.plot(calibration.confidence, calibration.accuracy, "o", ms=3.5, color=COLOURS[1], clip_on=False, zorder=3)
        upper.plot([0, 1], [0, 1], ls="--", lw=0.9, color=INK)
        upper.set_ylim(0, 1.02)
        upper.set_ylabel("accuracy")
        lower.bar(centres, calibration.counts / calibration.counts.sum(), width, color=COLOURS[7])
        lower.set_xlim(0, 1)
        lower.set_ylabel("share")
        lower.set_xlabel("confidence")
        for axes in (upper, lower):
            _simplify(axes)
        return _svg(figure, name, alt)


def draw_confusion(name: str, alt: str, confusion: np.ndarray) -> Markup:
    """Draw a confusion matrix: the deeper the colour, the larger the share of the row, on a square root scale.

    Args:
        name: of the drawing, unique in its page.
        alt: text for readers who do not see it.
        confusion: int64 ``(classes, classes)``; with more than GROUPS classes, neighbours are added up.
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
    """Return how many neighbouring classes ``draw_confusion`` adds up."""
    return -(-classes // GROUPS)


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE)
    axes = figure.add_axes((0.15, 0.175, 0.82, 0.795))
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    _simplify(axes)
    return figure, axes


def _simplify(axes: Axes) -> None:
    axes.patch.set_visible(False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=INK, alpha=0.15, lw=0.6)
    axes.set_axisbelow(True)


def _svg(figure: Figure, name: str, alt: str) -> Markup:
    """Return a figure as an SVG element of an HTML page."""
    figure.patch.set_visible(False)
    content = io.StringIO()
    figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = content.getvalue().partition("<svg")[2].replace(INK, "currentColor")
    # matplotlib's style element would apply to the whole page, and its ids must differ from those of other drawings.
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'( id="|ref="#|url\(#)', rf"\g<1>{name}-", svg)
    head, _, body = svg.partition(">")
    box = re.search(r'viewBox="[^"]*"', head)
    return Markup(f'<svg {box[0] if box else ""} role="img" aria-label="{escape(alt)}">{body}')
