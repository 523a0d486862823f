"""TensorBoard's own reader reads what zoo writes."""

from __future__ import annotations

import pytest

events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def test_tensorboard_reads_rows_final_figures_drawing_and_texts(logged_run):
    run = logged_run("tensorboard")
    reader = events.EventAccumulator(str(run / "tensorboard")).Reload()
    scalars, texts = reader.Tags()["scalars"], reader.Tags()["tensors"]
    assert {"train/loss", "train/loss_step", "val/accuracy", "val/loss", "best/accuracy", "best/f1"} <= set(scalars)
    assert [event.step for event in reader.Scalars("val/accuracy")] == [3, 6]
    assert reader.Images("confusion_matrix")[0].encoded_image_string.startswith(b"\x89PNG")
    assert {"config/text_summary", "report/text_summary"} <= set(texts)
    assert (run / "metrics.csv").is_file()
