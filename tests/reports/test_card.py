"""The model card of a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from zoo.reports.card import interval, model_card
from zoo.runs.folder import Run


@pytest.mark.parametrize(
    ("correct", "count", "low", "high"), [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (81, 263, 0.2553, 0.3662)]
)
def test_an_interval_is_that_of_wilson(correct, count, low, high):
    assert interval(correct, count) == pytest.approx((low, high), abs=1e-4)


def test_a_card_has_the_figures_of_the_test_in_text_and_front_matter(tmp_path, digits_run, digits_model):
    run = Run(shutil.copytree(digits_run, tmp_path / "run"))
    run.predictions.write_text("path,label,prediction\n0,3,3\n1,3,3\n2,3,5\n3,7,7\n")
    card = model_card(run, "digit-classifier")
    _, front, text = card.split("---\n", 2)
    content = yaml.safe_load(front)
    [result] = content["model-index"][0]["results"]
    accuracy = result["metrics"][0]["value"]
    assert content["pipeline_tag"] == "image-classification"
    assert f"| accuracy | {accuracy:.1%} |" in text
    assert "Measured on the 359 images of the test split" in text
    assert "| 3 | 3 | 66.7% | 20.8% to 93.9% |" in text
    assert "zoo predict digit-classifier photo.jpg" in text


def test_a_run_that_was_not_tested_says_so(zoo, untested_run):
    status, out, err = zoo("card", untested_run, "--output", "card.md")
    assert status == 0, err
    assert out.strip() == "card.md"
    text = Path("card.md").read_text(encoding="utf-8")
    assert "It was not tested" in text
    assert "model-index" not in text
