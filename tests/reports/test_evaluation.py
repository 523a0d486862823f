"""Predictions of a split: what is kept of them, whatever the batches are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer

from zoo.core.errors import RunError
from zoo.models.classifier import Classifier
from zoo.reports.evaluation import PICTURES, Predictions, predictions_of


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
    predictions = Predictions(6)
    for batch in zip(*(torch.split(values, size) for values in answers), strict=True):
        predictions.add(*batch)
    return predictions


def test_the_surest_mistakes_and_the_least_sure_hits_are_kept(answers):
    _, labels, logits = answers
    confidence, predicted = logits.softmax(dim=1).max(dim=1)
    kept = gathered(answers, 200)
    wrong, right = (predicted != labels).nonzero()[:, 0], (predicted == labels).nonzero()[:, 0]
    mistakes = wrong[confidence[wrong].argsort(descending=True)][:PICTURES]
    hits = right[confidence[right].argsort()][:PICTURES]
    assert [int(one.pixels[0, 0, 0]) for one in kept.mistakes] == mistakes.tolist()
    assert [int(one.pixels[0, 0, 0]) for one in kept.unsure_hits] == hits.tolist()
    first = kept.mistakes[0]
    assert first.label == labels[mistakes[0]]
    assert [label for label, _ in first.guesses] == logits[mistakes[0]].argsort(descending=True)[:3].tolist()
    assert first.confidence == pytest.approx(float(confidence[mistakes[0]]))


def test_batches_change_nothing(answers):
    whole, parts = gathered(answers, 200), gathered(answers, 7)
    assert whole.assessment().numbers() == parts.assessment().numbers()
    for ours, theirs in ((whole.mistakes, parts.mistakes), (whole.unsure_hits, parts.unsure_hits)):
        assert [one.guesses for one in ours] == [one.guesses for one in theirs]
        assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(ours, theirs, strict=True))


def test_top5_counts_labels_among_the_five_likeliest(answers):
    _, labels, logits = answers
    hits = (logits.argsort(dim=1, descending=True)[:, :5] == labels[:, None]).any(dim=1)
    assert gathered(answers, 32).assessment().top5_accuracy == pytest.approx(float(hits.float().mean()))


def test_answers_that_are_not_finite_are_an_error_once_figures_are_asked_for(answers):
    images, labels, logits = answers
    logits[3] = float("nan")
    predictions = gathered((images, labels, logits), 50)
    with pytest.raises(RunError, match="not finite"):
        predictions.assessment()


def test_no_batch_is_no_assessment():
    assert Predictions(3).assessment() is None


def test_a_split_is_classified_as_the_classifier_does_up_to_the_limit(grey_spec):
    torch.manual_seed(0)
    classifier = Classifier(grey_spec)
    images = torch.randint(0, 256, (12, 8, 8, 1), dtype=torch.uint8)
    batches = [(part, torch.zeros(len(part), dtype=torch.long)) for part in torch.split(images, 4)]
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    with torch.no_grad():
        answers = classifier.eval()(images[:8]).argmax(dim=1)
    found = predictions_of(classifier, batches, trainer, 2).assessment()
    assert found.predicted.tolist() == torch.bincount(answers, minlength=10).tolist()
    assert predictions_of(classifier, batches, trainer, None).assessment().images == 12
