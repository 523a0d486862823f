"""The temperature of a run's probabilities, fitted on its validation images and recorded beside the checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.reports.evaluation import Predictions
from zoo.runs.files import write_json
from zoo.runs.folder import Run


def record_temperature(run: Run, checkpoint: Mapping[str, Any], path: Path, predictions: Predictions) -> str:
    """Write RUN/calibration.json, or remove that of another checkpoint where too few images leave the temperature 1.

    Args:
        run: the run.
        checkpoint: whose predictions they are.
        path: its file.
        predictions: of the validation images, on which a temperature was to be fitted.

    Returns:
        A line for people; empty where the temperature is 1.
    """
    scaling, metrics = predictions.scaling, predictions.metrics()
    if scaling is None or metrics is None:
        run.calibration.unlink(missing_ok=True)
        return ""
    before, after = metrics.calibration.error, scaling.after.error
    facts = {
        "temperature": scaling.temperature,
        "calibration_error": before,
        "scaled_calibration_error": after,
        "images": metrics.images,
        "checkpoint": path.name,
        "epoch": checkpoint["epoch"],
        "step": checkpoint["global_step"],
    }
    write_json(run.calibration, facts)
    return (
        f"temperature {scaling.temperature:.3f}: probabilities are off by {after:.1%} in place of {before:.1%} "
        f"(expected calibration error, {scaling.judged})"
    )
