"""The sections of a run's report: figures of a split become tables, drawings and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from zoo.reports import charts, markup
from zoo.reports.assess import BINS, Assessment
from zoo.reports.evaluation import Picture
from zoo.runs.metrics import History

#: Classes of which a confusion matrix is a table of numbers; of more it is a picture.
MATRIX_CLASSES = 25

#: Classes up to which that table takes half of a page's width.
NARROW_CLASSES = 12

#: Pairs of classes, and classes, that are listed first where there are many.
LISTED = 15

#: What each pair of curves shows: title, the epochs' columns, the column of steps, whether it is a share.
CURVES = (
    ("loss", ("train/loss", "val/loss"), "train/loss_step", False),
    ("accuracy", ("train/accuracy", "val/accuracy"), "train/accuracy_step", True),
)


def curves(history: History, best_epoch: int) -> str:
    """Return loss and accuracy over the epochs, the best checkpoint's marked; epochs count from 1."""
    drawings = []
    for what, columns, step_column, percent in CURVES:
        found = [(column.partition("/")[0], number, history.curve(column)) for number, column in enumerate(columns)]
        lines = [charts.Line(points, number) for _, number, points in found if points]
        if steps := history.curve(step_column):
            lines.insert(0, charts.Line(steps, 0, faint=True))
        if not lines:
            continue
        last = "; ".join(f"{name} {_value(points[-1][1], percent)}" for name, _, points in found if points)
        alt = f"{what.capitalize()} over {len(history.epochs)} epochs; in the last: {last or 'not measured'}"
        drawings.append(markup.drawing(charts.draw_curves(what, alt, lines, best_epoch, percent), alt))
    if not drawings:
        return markup.section("Curves", note="metrics.csv has no row.")
    key = markup.key(("train", "val"), [charts.line_style(number) for number in range(2)])
    note = (
        f"The dotted line is at the checkpoint that is used, of epoch {best_epoch}; a thin line goes from step to step."
    )
    return markup.section("Curves", key, markup.columns(*drawings), note=note)


def confusion(assessment: Assessment, classes: Sequence[str]) -> str:
    """Return the confusion matrix, as numbers or, of many classes, as a picture, and the most confused pairs."""
    size = len(classes)
    if size <= MATRIX_CLASSES:
        matrix, note = _matrix(assessment.confusion, classes), "Rows are true classes, columns what was predicted."
    else:
        step = charts.group_size(size)
        note = "The deeper the colour, the larger the share of the row, on a square root scale"
        note += f"; {step} neighbouring classes are taken together." if step > 1 else "."
        alt = f"Confusion of {size} classes: {assessment.accuracy:.1%} of the images lie on the diagonal"
        matrix = markup.drawing(charts.draw_confusion("confusion", alt, assessment.confusion), alt)
    pairs = [
        (classes[true], classes[guess], f"{count:,}", f"{count / assessment.support[true]:.1%}")
        for true, guess, count in assessment.most_confused(LISTED)
    ]
    header = ("true class", "predicted", "images", "of the class")
    listed = markup.table("Most confused pairs of classes", header, pairs, words=2)
    listed = markup.heading("Most confused") + listed if pairs else markup.paragraph("No image is mistaken.")
    if NARROW_CLASSES < size <= MATRIX_CLASSES:
        return markup.section("Confusion", matrix, listed, note=note)
    return markup.section("Confusion", markup.columns(matrix, f"<div>{listed}</div>"), note=note)


def per_class(assessment: Assessment, classes: Sequence[str]) -> str:
    """Return precision, recall, F1 and support of each class; of many classes the worst come first."""

    def row(label: int) -> tuple[str, ...]:
        support, predicted = int(assessment.support[label]), int(assessment.predicted[label])
        shares = (
            (assessment.precision, predicted),
            (assessment.recall, support),
            (assessment.f1, support + predicted),
        )
        return (classes[label], *(_share(of[label], whole) for of, whole in shares), f"{support:,}")

    header = ("class", "precision", "recall", "F1", "support")
    note = "A dash stands where there is nothing to count: no image, or no answer, of the class."
    if len(classes) <= MATRIX_CLASSES:
        return markup.section(
            "Classes", markup.table("Figures of each class", header, map(row, range(len(classes)))), note=note
        )
    worst = np.argsort(np.where(assessment.support > 0, assessment.f1, 2), kind="stable")[:LISTED]
    numbered = ((str(label), *row(label)) for label in range(len(classes)))
    return markup.section(
        "Classes",
        markup.heading("Lowest F1"),
        markup.table("Classes of the lowest F1", header, map(row, worst.tolist())),
        markup.folded(
            f"All {len(classes):,} classes", markup.table("All classes", ("number", *header), numbered, words=2)
        ),
        note=note,
    )


def calibration(assessment: Assessment) -> str:
    """Return the reliability diagram and the expected calibration error."""
    error = assessment.calibration_error
    mean = assessment.bin_confidence.sum() / assessment.images
    surer = "surer than it is right" if mean > assessment.accuracy else "right more often than it is sure"
    text = (
        f"Expected calibration error {error:.2%} (Guo et al. 2017, {BINS} bins). Mean confidence {mean:.1%}, "
        f"accuracy {assessment.accuracy:.1%}: the network is {surer}. Above, bars are the accuracy of the answers of a "
        "confidence, dots stand at their mean confidence, on the dashed line where it equals the accuracy; below is "
        "their share of all answers."
    )
    alt = f"Reliability diagram: accuracy by confidence; expected calibration error {error:.2%}"
    return markup.section("Calibration", markup.drawing(charts.draw_reliability("reliability", alt, assessment), text))


def pictures(title: str, note: str, shown: Sequence[Picture], classes: Sequence[str]) -> str:
    """Return pictures with their true class and the likeliest guesses."""
    if not shown:
        return markup.section(title, note="There are none.")
    cards = [markup.picture(one.pixels, _alt(one, classes)) + _guesses(one, classes) for one in shown]
    return markup.section(title, markup.cards(cards), note=note)


def grad_cam(
    shown: Sequence[tuple[Picture, np.ndarray, np.ndarray]], module: str, size: tuple[int, int], classes: Sequence[str]
) -> str:
    """Return where the network looked: each picture as the network saw it, and under its heat.

    Args:
        shown: a picture, what the network saw of it, and the same coloured by its heat, uint8 ``(height, width, 3)``.
        module: that gave the feature map.
        size: its rows and columns.
        classes: their names.
    """
    cards = []
    for one, seen, heated in shown:
        guess = classes[one.guesses[0][0]]
        heat = markup.picture(heated, f"The same, bright where it speaks for {guess}")
        pair = f'<div class="pair">{markup.picture(seen, _alt(one, classes))}{heat}</div>'
        cards.append(pair + _guesses(one, classes))
    note = (
        f"Bright is what speaks for the likeliest class (Selvaraju et al. 2017), from the {size[0]}x{size[1]} places "
        f"of the last feature map, given by {module}."
    )
    return markup.section("Grad-CAM", f'<div class="wide">{markup.cards(cards)}</div>', note=note)


def augmentation(name: str, split: str, images: np.ndarray, varied: np.ndarray) -> str:
    """Return images, uint8 ``(count, height, width, channels)``, above what augmentation makes of them."""
    if name == "none":
        cards = [markup.picture(image, f"An image of the {split} split") for image in images]
        note = f"None: the network is fed the images as they are, here of the {split} split."
    else:
        cards = [
            markup.picture(image, f"An image of the {split} split") + markup.picture(other, f"The same after {name}")
            for image, other in zip(images, varied, strict=True)
        ]
        note = f"{name}: above an image of the {split} split, below what the network may be fed of it in training."
    return markup.section("Augmentation", f'<div class="small">{markup.cards(cards)}</div>', note=note)


def speed(history: History, memory: str) -> str:
    """Return images per second of each epoch, and the most memory held."""
    points = history.curve("images_per_second")
    text = f"Most memory held while training: {memory}."
    if not points:
        return markup.section("Speed and memory", markup.paragraph(text))
    values = [value for _, value in points]
    alt = (
        f"Images per second while training: {np.median(values):,.0f} (median; {min(values):,.0f} to {max(values):,.0f})"
    )
    return markup.section(
        "Speed and memory", markup.drawing(charts.draw_speed("speed", alt, [charts.Line(points)]), f"{alt}. {text}")
    )


def _matrix(confusion: np.ndarray, classes: Sequence[str]) -> str:
    upright = max(map(len, classes)) > 3  # names, in which columns would be too wide
    heads = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in classes)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    lines = []
    for true, name in enumerate(classes):
        cells = "".join(
            f'<td class="{"hit" if true == guess else "miss"}" style="--p:{_depth(shares[true, guess])}">{count:,}</td>'
            if count
            else "<td></td>"
            for guess, count in enumerate(confusion[true].tolist())
        )
        lines.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    kind = "matrix upright" if upright else "matrix"
    content = f'<table class="{kind}"><thead><tr><td></td>{heads}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
    return markup.framed("Confusion matrix", content)


def _depth(share: float) -> str:
    """Return how opaque a cell is: enough to be seen, and never so much that its number cannot be read."""
    return f"{0.08 + 0.5 * share**0.5:.2f}"


def _guesses(one: Picture, classes: Sequence[str]) -> str:
    pairs = [(classes[label], value) for label, value in one.guesses]
    return f"<figcaption>is {escape(classes[one.label])}</figcaption>{markup.guesses(pairs)}"


def _alt(one: Picture, classes: Sequence[str]) -> str:
    return f"An image of {classes[one.label]}, taken for {classes[one.guesses[0][0]]} at {one.confidence:.1%}"


def _share(value: float, whole: int) -> str:
    return f"{value:.1%}" if whole else "–"  # noqa: RUF001  # a dash between nothing


def _value(value: float, percent: bool) -> str:
    return f"{value:.1%}" if percent else f"{value:.4f}"
