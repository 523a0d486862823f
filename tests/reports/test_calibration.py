"""The temperature of probabilities: what is fitted, on what it is judged, and where it stays 1."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from zoo.reports.calibration import FEWEST_IMAGES, cross_fitted, fit_temperature
from zoo.reports.evaluation import Predictions


def drawn(count, sharpness, classes=5):
    """Return logits and labels that are drawn from the softmax of the logits, which then are made sharper."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(count, classes, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return logits * sharpness, labels


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_takes_back_how_much_too_sure_a_network_is(sharpness):
    assert fit_temperature(*drawn(4000, sharpness)) == pytest.approx(sharpness, rel=0.06)


def test_no_other_temperature_has_a_lower_cross_entropy():
    logits, labels = drawn(1000, 2.0)
    best = fit_temperature(logits, labels)
    losses = [float(cross_entropy(logits / (best * factor), labels)) for factor in (0.9, 1.0, 1.1)]
    assert losses[1] == min(losses)


def test_a_network_that_is_always_right_does_not_become_certain():
    labels = torch.arange(100) % 4
    logits = torch.nn.functional.one_hot(labels, 4) * 3.0
    confidence = (logits / fit_temperature(logits, labels)).softmax(1).amax(1)
    assert 0.97 < float(confidence.mean()) < 0.999


@pytest.mark.parametrize(("count", "scaled"), [(FEWEST_IMAGES - 1, False), (FEWEST_IMAGES, True)])
def test_too_few_images_leave_the_temperature_1(count, scaled):
    logits, labels = drawn(count, 3.0)
    assert (fit_temperature(logits, labels) != 1) == scaled
    assert (cross_fitted(logits, labels) is not None) == scaled


def test_no_image_is_judged_by_a_temperature_that_was_fitted_on_it():
    logits, labels = drawn(500, 3.0)
    scaling = cross_fitted(logits, labels)
    part = torch.arange(500) % 5 == 0
    alone = (logits[part] / fit_temperature(logits[~part], labels[~part])).softmax(1).amax(1)
    together = (logits[part] / scaling.temperature).softmax(1).amax(1)
    assert not torch.allclose(alone, together, rtol=1e-6)
    assert scaling.judged == "cross-fitted on 500 validation images"
    assert scaling.after.counts.sum() == 500


def add(predictions, logits, labels):
    images = torch.zeros(len(labels), 2, 2, 1, dtype=torch.uint8)
    for start in range(0, len(labels), 100):
        rows = slice(start, start + 100)
        predictions.add(images[rows], labels[rows], logits[rows], list(range(len(labels)))[rows])
    return predictions.metrics()


def test_predictions_fit_a_temperature_where_that_is_asked_for():
    logits, labels = drawn(600, 3.0)
    metrics = add(Predictions(5, fit_on=600), logits, labels)
    assert metrics.scaling.temperature == pytest.approx(fit_temperature(logits, labels))
    assert metrics.scaling.after.error < metrics.calibration.error
    assert add(Predictions(5), logits, labels).scaling is None


def test_a_given_temperature_changes_probabilities_and_no_class():
    logits, labels = drawn(600, 3.0)
    plain, scaled = (Predictions(5, temperature=temperature) for temperature in (1.0, 3.0))
    before, after = add(plain, logits, labels), add(scaled, logits, labels)
    assert before.accuracy == after.accuracy
    assert before.calibration.error == after.calibration.error
    assert after.scaling.after.error < 0.5 * after.calibration.error
    assert scaled.mistakes[0].confidence < plain.mistakes[0].confidence
    assert after.to_json()["scaled_calibration_error"] == after.scaling.after.error
