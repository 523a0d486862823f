"""The loss against its formula, written out."""

from __future__ import annotations

import pytest
import torch

from zoo.core.errors import UserError
from zoo.core.spec import InputSpec
from zoo.training.loss import Loss

WEIGHTS = [0.5, 1.0, 3.0]
SPEC = InputSpec(tuple("abc"), 1, 8, 8, (0.5,), (0.25,))
KINDS = ["cross_entropy", "mse", "focal", "ordinal"]


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(12, 3, generator=generator), torch.arange(12) % 3


def test_class_weights_multiply_the_loss_of_each_image(batch):
    logits, labels = batch
    each = -logits.log_softmax(dim=1)[range(12), labels]
    expected = (each * torch.tensor(WEIGHTS)[labels]).sum() / 12
    assert torch.allclose(Loss("cross_entropy", 0.0, WEIGHTS, SPEC)(logits, labels), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_shares_that_are_whole_give_what_labels_give(batch, kind, smoothing, weights):
    logits, labels = batch
    loss = Loss(kind, smoothing, weights, SPEC)
    assert torch.allclose(loss(logits, torch.nn.functional.one_hot(labels, 3).float()), loss(logits, labels))


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_of_an_epoch_does_not_depend_on_its_batches(batch, kind):
    logits, labels = batch
    loss = Loss(kind, 0.1, WEIGHTS, SPEC)
    parts = [loss(logits[:4], labels[:4]) * 4, loss(logits[4:], labels[4:]) * 8]
    assert torch.allclose(sum(parts) / 12, loss(logits, labels))


def test_equal_weights_of_one_change_nothing(batch):
    for kind in KINDS:
        assert torch.allclose(Loss(kind, 0.1, [1, 1, 1], SPEC)(*batch), Loss(kind, 0.1, None, SPEC)(*batch))


@pytest.mark.parametrize("weights", [[1.0, 2.0], [1, -1, 1], [0, 0, 0], [1, float("nan"), 1], "balanced"])
def test_weights_that_are_none_are_an_error(weights):
    with pytest.raises(UserError, match=r"model\.class_weights is .*allowed is"):
        Loss("cross_entropy", 0.0, weights, SPEC)
