"""Figures of a split, compared with scikit-learn's and torchmetrics'."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn import metrics
from torchmetrics.functional.classification import multiclass_calibration_error, multiclass_f1_score

from zoo.reports.assess import BINS, assess

CLASSES = 7


@pytest.fixture
def answers():
    """Labels, predictions and confidences; class 5 is never a label, class 6 neither label nor answer."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 5, 400)
    predicted = np.where(random.random(400) < 0.6, labels, random.integers(0, 6, 400))
    return labels, predicted, random.uniform(1 / CLASSES, 1, 400)


def test_figures_of_classes_are_scikit_learns(answers):
    labels, predicted, _ = answers
    found = assess(*answers, CLASSES)
    known = metrics.precision_recall_fscore_support(labels, predicted, labels=range(CLASSES), zero_division=0)
    for ours, theirs in zip((found.precision, found.recall, found.f1, found.support), known, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    np.testing.assert_array_equal(found.confusion, metrics.confusion_matrix(labels, predicted, labels=range(CLASSES)))
    assert found.accuracy == pytest.approx(metrics.accuracy_score(labels, predicted))


def test_macro_f1_is_that_of_zoo_test(answers):
    labels, predicted, _ = answers
    known = multiclass_f1_score(torch.from_numpy(predicted), torch.from_numpy(labels), CLASSES, average="macro")
    assert assess(*answers, CLASSES).macro_f1 == pytest.approx(float(known))


def test_the_calibration_error_is_torchmetrics(answers):
    labels, predicted, confidence = answers
    rest = (1 - confidence[:, None]) / (CLASSES - 1)
    probabilities = np.repeat(rest, CLASSES, axis=1)
    probabilities[np.arange(len(labels)), predicted] = confidence
    sure = confidence > 0.5  # where what was predicted is the likeliest for certain
    known = multiclass_calibration_error(
        torch.from_numpy(probabilities[sure]), torch.from_numpy(labels[sure]), CLASSES, n_bins=BINS
    )
    found = assess(labels[sure], predicted[sure], confidence[sure], CLASSES)
    assert found.calibration_error == pytest.approx(float(known), abs=1e-6)


def test_a_bin_holds_its_upper_end():
    found = assess(np.array([0, 0, 0]), np.array([0, 1, 0]), np.array([0.5, 14 / 15, 1.0]), 2)
    assert found.bin_counts.tolist() == [0] * 7 + [1] + [0] * 5 + [1, 1]
    assert found.bin_hits.tolist() == [0] * 7 + [1] + [0] * 5 + [0, 1]


def test_most_confused_pairs_come_first_and_hits_never():
    found = assess(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 1, 2, 1, 2]), np.full(6, 0.9), 3)
    assert found.most_confused(10) == [(0, 1, 2), (1, 2, 1)]
    assert found.most_confused(1) == [(0, 1, 2)]


def test_numbers_for_programs_hold_the_whole_matrix(answers):
    found = assess(*answers, CLASSES)
    numbers = json.loads(json.dumps(found.numbers()))
    matrix = np.zeros((CLASSES, CLASSES), int)
    for true, guess, count in numbers["confusion"]:
        matrix[true, guess] = count
    np.testing.assert_array_equal(matrix, found.confusion)
    assert numbers["f1"] == found.f1.tolist()
