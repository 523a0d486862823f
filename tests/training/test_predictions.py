"""Predictions of a split, as a trainer makes them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import Trainer

from zoo.data.item_reader import BAD
from zoo.data.loader import Loader
from zoo.data.sources import MemorySource
from zoo.training.predictions import CollectPredictions, predict_batches
from zoo.training.task import ImageClassifier


@pytest.fixture
def loader():
    """Batches of 4 of 12 images."""
    images = torch.randint(0, 256, (12, 8, 8, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Loader(MemorySource(images, torch.arange(12) % 4), 4)


def trainer(**options):
    return Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, **options)


def predict(model, loader, **limits):
    data = SimpleNamespace(loader=lambda split: loader)
    return list(predict_batches(trainer(**limits), model, data, "val"))


def test_a_split_is_classified_as_the_classifier_does(grey_spec, loader):
    torch.manual_seed(0)
    model = ImageClassifier(grey_spec)
    predicted = predict(model, loader)
    with torch.no_grad():
        expected = [model.eval()(images) for images, _ in loader]
    assert [positions for *_, positions in predicted] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    for (images, labels, logits, _), batch, answer in zip(predicted, loader, expected, strict=True):
        assert torch.equal(images, batch[0])
        assert torch.equal(labels, batch[1])
        torch.testing.assert_close(logits, answer)


@pytest.mark.parametrize(("limit", "count"), [(2, 2), (0.5, 1), (1.0, 3), (0, 0)])
def test_the_trainers_limit_counts_batches_or_shares_of_them(grey_spec, loader, limit, count):
    assert len(predict(ImageClassifier(grey_spec), loader, limit_val_batches=limit)) == count


def test_positions_leave_out_damaged_images(grey_spec, loader):
    loader.source.labels[[1, 4, 11]] = BAD
    *_, expected = zip(*predict(ImageClassifier(grey_spec), loader), strict=True)
    assert list(expected) == [[0, 2, 3], [5, 6, 7], [8, 9, 10]]


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning", "ignore:.*does not have many workers")
def test_a_test_passes_on_the_positions_that_its_loader_serves(grey_spec, loader):
    loader.source.labels[[1, 4, 11]] = BAD
    batches = []
    collect = CollectPredictions(lambda *batch: batches.append(batch))
    trainer(callbacks=[collect], limit_test_batches=2).test(ImageClassifier(grey_spec), loader, verbose=False)
    assert [positions for *_, positions in batches] == [[0, 2, 3], [5, 6, 7]]
    assert torch.equal(batches[1][0], loader.source.images[5:8])
