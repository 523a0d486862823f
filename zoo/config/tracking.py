"""What experiment trackers get beside the rows of metrics.csv: the configuration, the final figures, and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch.loggers.logger import Logger

from zoo.core.errors import first_line
from zoo.core.whole_file import temporary_folder
from zoo.reports.evaluation import ClassificationMetrics, Predictions
from zoo.runs.folder import Run


def log_config(loggers: Sequence[Logger], config: str) -> None:
    """Give loggers the configuration as names and values, such as ``optimizer.init_args.lr``.

    Args:
        loggers: those that ``--logger`` names.
        config: of a new run, YAML; trackers refuse to change that of a run that is resumed.
    """
    for logger in loggers:
        logger.log_hyperparams(_flat(yaml.safe_load(config)))


def log_results(
    parts: Mapping[str, object], run: Run, predictions: Predictions, classes: Sequence[str], step: int
) -> list[str]:
    """Give loggers the figures of the best checkpoint, its confusion matrix, the report and the configuration.

    A logger gets the files where it has a method ``log_files(files, step)``.

    Args:
        parts: what the configuration names, by title, loggers among it.
        run: whose report is written.
        predictions: of the validation images by the best checkpoint.
        classes: names, in order.
        step: of the checkpoint.

    Returns:
        A line for each logger that failed: the run is complete all the same.
    """
    loggers = {title: part for title, part in parts.items() if isinstance(part, Logger)}
    problems: list[str] = []
    metrics = predictions.metrics() if loggers else None
    with temporary_folder("zoo-results-") as folder:
        files = [run.report, run.config]
        if metrics is not None:
            from zoo.reports.result_files import write_confusion  # loads matplotlib; no first step waits for it

            files += write_confusion(Path(folder), metrics.confusion, classes)
        for title, logger in loggers.items():
            try:
                if metrics is not None:
                    logger.log_metrics(_figures(metrics), step)
                if hasattr(logger, "log_files"):
                    logger.log_files(files, step)
            except Exception as error:  # any error of a tracker's package: a run is worth more than its record there
                reason = f"{type(error).__name__}: {first_line(error)}"
                problems.append(f"{title} did not take the results: {reason}; add {run.report} to it yourself")
    return problems


@contextmanager
def closing_loggers(loggers: Sequence[Logger]) -> Iterator[None]:
    """At the end, call the method ``close`` of loggers that have it: the next run of this process begins anew."""
    try:
        yield
    finally:
        for logger in loggers:
            if hasattr(logger, "close"):
                logger.close()


def _figures(metrics: ClassificationMetrics) -> dict[str, float]:
    figures = {
        "best/accuracy": metrics.accuracy,
        "best/f1": metrics.macro_f1,
        "best/calibration_error": metrics.calibration.error,
    }
    if metrics.top5_accuracy is not None:
        figures["best/top5_accuracy"] = metrics.top5_accuracy
    return figures


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a configuration on one level; without what is None."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            flat[f"{prefix}{key}"] = value
    return flat
