"""Metrics of a split against their definitions and torchmetrics; stored examples, whatever the batches are."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_calibration_error, multiclass_f1_score

from zoo.core.errors import RunError
from zoo.reports.calibration import BINS
from zoo.reports.evaluation import EXAMPLES, Predictions, compute_metrics

CLASSES = 7


@pytest.fixture
def answers():
    """Images whose pixels are their number, labels, and logits of which half are right."""
    generator = torch.Generator().manual_seed(0)
    images = torch.arange(200, dtype=torch.uint8)[:, None, None, None].expand(-1, 2, 2, 1)
    labels = torch.randint(6, (200,), generator=generator)
    logits = torch.randn(200, 6, generator=generator)
    logits[torch.arange(200), labels] += 1
    return images, labels, logits


def gathered(answers, size):
    predictions, numbers = Predictions(6), torch.arange(len(answers[1]))
    for *batch, positions in zip(*(torch.split(values, size) for values in (*answers, numbers)), strict=True):
        predictions.add(*batch, positions.tolist())
    return predictions


def test_the_most_confident_mistakes_and_the_least_certain_correct_predictions_are_stored(answers):
    _, labels, logits = answers
    confidence, predicted = logits.softmax(dim=1).max(dim=1)
    kept = gathered(answers, 200)
    wrong, right = (predicted != labels).nonzero()[:, 0], (predicted == labels).nonzero()[:, 0]
    mistakes = wrong[confidence[wrong].argsort(descending=True)][:EXAMPLES]
    hits = right[confidence[right].argsort()][:EXAMPLES]
    assert [int(one.pixels[0, 0, 0]) for one in kept.mistakes] == mistakes.tolist()
    assert [int(one.pixels[0, 0, 0]) for one in kept.uncertain_correct] == hits.tolist()
    assert [one.position for one in kept.mistakes] == mistakes.tolist()
    first = kept.mistakes[0]
    assert first.label == labels[mistakes[0]]
    assert [label for label, _ in first.predictions] == logits[mistakes[0]].argsort(descending=True)[:3].tolist()
    assert first.confidence == pytest.approx(float(confidence[mistakes[0]]))


def test_batches_change_nothing(answers):
    whole, parts = gathered(answers, 200), gathered(answers, 7)
    assert whole.metrics().to_json() == parts.metrics().to_json()
    for ours, theirs in ((whole.mistakes, parts.mistakes), (whole.uncertain_correct, parts.uncertain_correct)):
        assert [one.predictions for one in ours] == [one.predictions for one in theirs]
        assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(ours, theirs, strict=True))


def test_top5_counts_labels_among_the_five_likeliest(answers):
    _, labels, logits = answers
    hits = (logits.argsort(dim=1, descending=True)[:, :5] == labels[:, None]).any(dim=1)
    assert gathered(answers, 32).metrics().top5_accuracy == pytest.approx(float(hits.float().mean()))


def test_answers_that_are_not_finite_are_an_error_once_figures_are_asked_for(answers):
    images, labels, logits = answers
    logits[3] = float("nan")
    predictions = gathered((images, labels, logits), 50)
    with pytest.raises(RunError, match="not finite"):
        predictions.metrics()


def test_no_batch_has_no_metrics():
    assert Predictions(3).metrics() is None


@pytest.fixture
def classified():
    """Labels, predictions and confidences; class 5 is never a label, class 6 neither label nor answer."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 5, 400)
    predicted = np.where(random.random(400) < 0.6, labels, random.integers(0, 6, 400))
    return labels, predicted, random.uniform(1 / CLASSES, 1, 400)


def test_macro_f1_is_that_of_zoo_test(classified):
    labels, predicted, _ = classified
    expected = multiclass_f1_score(torch.from_numpy(predicted), torch.from_numpy(labels), CLASSES, average="macro")
    assert compute_metrics(*classified, CLASSES).macro_f1 == pytest.approx(float(expected))


def test_the_calibration_error_is_torchmetrics(classified):
    labels, predicted, confidence = classified
    correct = torch.from_numpy(labels == predicted).int()
    expected = binary_calibration_error(torch.from_numpy(confidence), correct, n_bins=BINS)
    calibration = compute_metrics(*classified, CLASSES).calibration
    assert calibration.error == pytest.approx(float(expected), abs=1e-6)
    assert calibration.mean_confidence == pytest.approx(confidence.mean())


@pytest.mark.parametrize("correct", [0, 1])
def test_predictions_that_are_all_correct_or_all_wrong_have_a_calibration(correct):
    labels, confidence = np.array([0, 1]), np.array([0.75, 1.0], np.float32)
    calibration = compute_metrics(labels, labels if correct else 1 - labels, confidence, 2).calibration
    assert calibration.accuracy.tolist() == [correct, correct]
    assert calibration.error == pytest.approx(abs(correct - 0.875))


def test_a_bin_holds_its_upper_end():
    confidence = np.array([0.5, 14 / 15, 1.0])
    calibration = compute_metrics(np.array([0, 0, 0]), np.array([0, 1, 0]), confidence, 2).calibration
    assert calibration.bins.tolist() == [7, 13, 14]
    assert calibration.counts.tolist() == [1, 1, 1]
    assert calibration.accuracy.tolist() == [1, 0, 1]
    assert calibration.confidence.tolist() == confidence.tolist()


def by_hand(labels, predicted, confidence):
    """Metrics from their definitions, without scikit-learn."""
    confusion = np.zeros((CLASSES, CLASSES), int)
    bins = [[] for _ in range(BINS)]
    for true, answer, share in zip(labels.tolist(), predicted.tolist(), confidence.tolist(), strict=True):
        confusion[true, answer] += 1
        bins[max(math.ceil(share * BINS) - 1, 0)].append((share, true == answer))
    right, precision, recall, f1 = np.diag(confusion), [], [], []
    for label in range(CLASSES):
        answers, images = confusion[:, label].sum(), confusion[label].sum()
        precision.append(right[label] / answers if answers else 0)
        recall.append(right[label] / images if images else 0)
        f1.append(2 * right[label] / (answers + images) if answers + images else 0)
    gaps = [abs(sum(share for share, _ in one) - sum(good for _, good in one)) for one in bins]
    occurs = [value for label, value in enumerate(f1) if confusion[:, label].any() or confusion[label].any()]
    return confusion, precision, recall, f1, sum(occurs) / len(occurs), sum(gaps) / len(labels)


def test_metrics_are_those_of_their_definitions(classified):
    result = compute_metrics(*classified, CLASSES)
    computed = (result.confusion, result.precision, result.recall, result.f1, result.macro_f1, result.calibration.error)
    for ours, theirs in zip(computed, by_hand(*classified), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_most_confused_pairs_come_first_and_correct_predictions_never():
    result = compute_metrics(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 1, 2, 1, 2]), np.full(6, 0.9), 3)
    assert result.most_confused(10) == [(0, 1, 2), (1, 2, 1)]
    assert result.most_confused(1) == [(0, 1, 2)]


def test_the_json_holds_the_whole_confusion_matrix(classified):
    result = compute_metrics(*classified, CLASSES)
    numbers = json.loads(json.dumps(result.to_json()))
    matrix = np.zeros((CLASSES, CLASSES), int)
    for true, predicted, count in numbers["confusion"]:
        matrix[true, predicted] = count
    np.testing.assert_array_equal(matrix, result.confusion)
    assert numbers["f1"] == result.f1.tolist()
