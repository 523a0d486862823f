"""Predictions of a split, as a trainer makes them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import Trainer

from zoo.training.predictions import predict_batches
from zoo.training.task import ImageClassifier


@pytest.fixture
def batches():
    images = torch.randint(0, 256, (12, 8, 8, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return [(part, torch.arange(4)) for part in torch.split(images, 4)]


def predict(model, batches, **limits):
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, **limits)
    data = SimpleNamespace(val_dataloader=lambda: batches, test_dataloader=lambda: batches[:1])
    return list(predict_batches(trainer, model, data, "val"))


def test_a_split_is_classified_as_the_classifier_does(grey_spec, batches):
    torch.manual_seed(0)
    model = ImageClassifier(grey_spec)
    predicted = predict(model, batches)
    with torch.no_grad():
        expected = [model.eval()(images) for images, _ in batches]
    assert len(predicted) == 3
    for (images, labels, logits), batch, answer in zip(predicted, batches, expected, strict=True):
        assert torch.equal(images, batch[0])
        assert torch.equal(labels, batch[1])
        torch.testing.assert_close(logits, answer)


@pytest.mark.parametrize(("limit", "count"), [(2, 2), (0.5, 1), (1.0, 3), (0, 0)])
def test_the_trainers_limit_counts_batches_or_shares_of_them(grey_spec, batches, limit, count):
    assert len(predict(ImageClassifier(grey_spec), batches, limit_val_batches=limit)) == count
