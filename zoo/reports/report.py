"""Write RUN/report.html: one page about a run and its predictions on a split.

    metrics.csv · config.yaml · predictions · example images ──► values ──► templates/report.html ──► report.html

The page needs no network and no other file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from markupsafe import Markup

from zoo.core.console import print_stderr
from zoo.data.contract import Split
from zoo.data.image_data import ImageData
from zoo.data.items import item_names
from zoo.data.views import augmented_views
from zoo.images.files import viewable
from zoo.models.classifier import Classifier
from zoo.reports import charts
from zoo.reports.calibration import BINS, FEWEST_IMAGES, Calibration
from zoo.reports.curves import draw_history, draw_speeds
from zoo.reports.environment import environment, peak_memory
from zoo.reports.evaluation import ClassificationMetrics, Example, Predictions
from zoo.reports.gradcam import FeatureMap, find_feature_map, heat_maps
from zoo.reports.intervals import interval_text
from zoo.reports.page import address_from, read_figures, render
from zoo.runs.config_file import read_config
from zoo.runs.files import write_atomically
from zoo.runs.folder import Run
from zoo.runs.metrics import History

#: Most classes that the confusion matrix shows as a table; more become a drawing.
TABLE_CLASSES = 25

#: Rows of the tables of confused pairs and of the classes with the lowest F1.
LISTED = 15

#: Examples with a heat map, of the mistakes and of the correct predictions; images that show augmentation.
HEAT_MAPS = 3
SAMPLES = 8


@dataclass(frozen=True)
class ReportContext:
    """What a report describes.

    Args:
        run: the run.
        classifier: with the weights of the checkpoint.
        data: the run's data.
        device: where the classifier runs.
        epoch: of the checkpoint, from 0; -1 where it has trained none.
    """

    run: Run
    classifier: Classifier
    data: ImageData
    device: torch.device
    epoch: int


@contextmanager
def warn_on_error(run: Run) -> Iterator[None]:
    """Turn report errors into a warning; the run stays successful. The warning says how to make the report again."""
    again = f"again with: zoo report {run.path}"
    try:
        yield
    except SystemExit:  # Ctrl-C or SIGTERM
        print_stderr(f"interrupted while reporting; the run is complete; {again}")
        raise
    except Exception as error:  # any error: a run is worth more than its report
        print_stderr(f"no report: {type(error).__name__}: {' '.join(str(error).split())}; {again}")


def write_report(
    context: ReportContext,
    split: Split,
    predictions: Predictions,
    *,
    fitted: bool = False,
    output: Path | None = None,
) -> Path:
    """Write the report of a run; an older one is replaced once the new one is complete.

    Args:
        context: what the report describes.
        split: the split that was predicted.
        predictions: of the split.
        fitted: whether this process has trained the run, so that its versions and memory are those of the training.
        output: the page; None is RUN/report.html.

    Returns:
        The page.

    Raises:
        ZooError: a logit is not finite, an image is damaged, or the folder cannot be written.
    """
    page = context.run.report if output is None else output
    write_atomically(page, _render(context, split, predictions, fitted, page.parent))
    return page


def _render(context: ReportContext, split: Split, predictions: Predictions, fitted: bool, folder: Path) -> str:
    run, classes = context.run, context.classifier.spec.classes
    training = _training_environment(context, fitted)
    metrics, history, config = predictions.metrics(), History.of(run), read_config(run.config)
    only_solved = not history.trained and context.epoch < 0
    sample_split: Split = "train" if fitted else split
    images, views = augmented_views(context.data, sample_split, SAMPLES, views=1)
    figures: dict[str, Any] = {"run": run.title, "split": split, "classes": list(classes), "training": training}
    values: dict[str, Any] = {"metrics": None}
    if metrics is not None:
        figures |= metrics.to_json()
        values = describe_predictions(predictions, metrics, classes)
        values["places"] = _places(context, split, predictions.mistakes + predictions.uncertain_correct, folder)
        values |= _explain(context, predictions.mistakes[:HEAT_MAPS] + predictions.uncertain_correct[:HEAT_MAPS])
    parameters = list(context.classifier.network.parameters())
    return render(
        "report.html",
        figures,
        title=run.title,
        split=split,
        config=config,
        classifier=context.classifier,
        data=context.data,
        parameters=sum(parameter.numel() for parameter in parameters),
        frozen=sum(parameter.numel() for parameter in parameters if not parameter.requires_grad),
        epochs=history.trained,
        only_solved=only_solved,
        epoch=context.epoch + 1,
        legend=charts.legend(("train", "val")),
        curves=draw_history(history, context.epoch + 1),
        sample_split=sample_split,
        samples=list(zip(images.numpy(), views[:, 0].numpy(), strict=True)),
        speed=draw_speeds(history),
        memory=training.get("memory", "not known: another process trained, and left no report"),
        config_text=run.config.read_text(encoding="utf-8"),
        training=training,
        environment=environment(),
        **values,
    )


def describe_predictions(
    predictions: Predictions, metrics: ClassificationMetrics, classes: Sequence[str]
) -> dict[str, Any]:
    """Return the values of templates/predictions.html except those of Grad-CAM and of the classifier."""
    many = len(classes) > TABLE_CLASSES
    alt = f"Confusion of {len(classes)} classes: {metrics.accuracy:.1%} of the images lie on the diagonal"
    rows = [_class_row(metrics, label, name) for label, name in enumerate(classes)]
    worst = np.argsort(np.where(metrics.support > 0, metrics.f1, 2), kind="stable")[:LISTED]
    return {
        "metrics": metrics,
        "interval": interval_text(round(metrics.accuracy * metrics.images), metrics.images),
        "shows_tendency": metrics.images >= FEWEST_IMAGES,
        "classes": classes,
        "confusion_drawing": (charts.draw_confusion("confusion", alt, metrics.confusion), alt) if many else None,
        "class_groups": charts.group_size(len(classes)),
        "confused": [
            (classes[true], classes[predicted], f"{count:,}", f"{count / metrics.support[true]:.1%}")
            for true, predicted, count in metrics.most_confused(LISTED)
        ],
        "class_rows": rows,
        "worst_classes": [rows[label] for label in worst] if many else [],
        "numbered_classes": [(label, *row) for label, row in enumerate(rows)],
        "reliability": _reliability("reliability", metrics.calibration),
        "scaled_reliability": metrics.scaling and _reliability("scaled_reliability", metrics.scaling.after),
        "mistakes": predictions.mistakes,
        "uncertain_correct": predictions.uncertain_correct,
    }


def _reliability(name: str, calibration: Calibration) -> Markup:
    alt = f"Reliability diagram: accuracy by confidence; expected calibration error {calibration.error:.2%}"
    return charts.draw_reliability(name, alt, calibration, BINS)


def _places(context: ReportContext, split: Split, examples: list[Example], folder: Path) -> dict[int, Any]:
    """Return by position the name of each example, and the address of its file from a page in ``folder``, or None."""
    names, paths = item_names(context.data, split), context.data.paths(split)
    positions = [example.position for example in examples]
    return {at: (names[at], None if paths is None else address_from(paths[at], folder)) for at in positions}


def _class_row(metrics: ClassificationMetrics, label: int, name: str) -> tuple[str, ...]:
    """Return name, precision, recall, F1 and support of a class; a dash for a share of nothing."""
    support, predicted = int(metrics.support[label]), int(metrics.predicted[label])
    shares = ((metrics.precision, predicted), (metrics.recall, support), (metrics.f1, support + predicted))
    return (name, *(f"{values[label]:.1%}" if whole else "–" for values, whole in shares), f"{support:,}")  # noqa: RUF001


def _training_environment(context: ReportContext, fitted: bool) -> dict[str, str]:
    """Return what the training ran on: measured now, or read from the report that was written after it."""
    if fitted:
        return {**environment(), "device": str(context.device), "memory": peak_memory(context.device)}
    recorded = read_figures(context.run.report).get("training")
    return {str(key): str(value) for key, value in recorded.items()} if isinstance(recorded, dict) else {}


def _explain(context: ReportContext, examples: list[Example]) -> dict[str, Any]:
    """Return the feature map and, for each example, the image that the network sees and its heat map over it."""
    feature_map: FeatureMap | None = None
    heated: list[tuple[Example, np.ndarray, np.ndarray]] = []
    if examples:
        classifier, preprocess = context.classifier.to(context.device).eval(), context.classifier.preprocess
        with torch.no_grad():
            inputs = torch.cat([preprocess(torch.from_numpy(one.pixels)[None].to(context.device)) for one in examples])
        feature_map = find_feature_map(classifier.network, inputs[:1])
        if feature_map is not None:
            heat = heat_maps(classifier.network, inputs, feature_map).numpy()
            shown = viewable(preprocess.levels(inputs).cpu().numpy())
            images = np.broadcast_to(shown, (*shown.shape[:-1], 3))
            colours = mpl.colormaps["inferno"](heat)[..., :3] * 255
            heated = list(zip(examples, images, (0.45 * images + 0.55 * colours).astype(np.uint8), strict=True))
    return {"feature_map": feature_map, "heat_maps": heated}
