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


def test_focal_without_gamma_is_cross_entropy(batch):
    focal = Loss({"name": "focal", "gamma": 0}, 0.1, None, SPEC)
    assert torch.allclose(focal(*batch), Loss("cross_entropy", 0.1, None, SPEC)(*batch))


def test_focal_counts_easy_images_less():
    logits, labels = torch.tensor([[4.0, 0, 0], [0.0, 0, 0]]), torch.tensor([0, 0])
    share = logits.softmax(dim=1)[:, 0]
    expected = ((1 - share) ** 2 * -share.log()).mean()
    assert torch.allclose(Loss("focal", 0.0, None, SPEC)(logits, labels), expected)


def test_ordinal_takes_a_near_class_for_less_wrong_than_a_far_one():
    loss, label = Loss("ordinal", 0.0, None, SPEC), torch.tensor([0])
    near, far = torch.tensor([[0.0, 5, 0]]), torch.tensor([[0.0, 0, 5]])
    assert loss(near, label) < loss(far, label)


PARTS = """
import torch
def own(spec, margin: float = 1.0):
    return lambda logits, shares: margin * (logits - shares).square().sum(dim=1)
def number(spec): return 6
def one_for_all(spec): return lambda logits, shares: logits.sum()
def raises(spec): return lambda logits, shares: {}["key"]
def trains(spec): return torch.nn.Linear(3, 3)
def fails(spec): raise KeyError("spec")
"""


@pytest.fixture
def own_losses(install):
    names = ["own", "number", "one_for_all", "raises", "trains", "fails"]
    lines = "".join(f"{name} = own_losses:{name}\n" for name in names)
    install("own-losses", f"[zoo.losses]\n{lines}", PARTS, "own_losses")


def test_a_loss_of_a_plugin_is_weighted_and_smoothed(batch, own_losses):
    logits, labels = batch
    shares = torch.nn.functional.one_hot(labels, 3) * 0.7 + 0.1
    each = 2 * (logits - shares).square().sum(dim=1)
    loss = Loss({"name": "own", "margin": 2}, 0.3, WEIGHTS, SPEC)
    assert torch.allclose(loss(logits, labels), (each * torch.tensor(WEIGHTS)[labels]).mean())
    assert loss.recorded == {"name": "own", "from": "own-losses==1.0", "margin": 2}


@pytest.mark.parametrize(
    ("name", "clause"),
    [
        ("number", "breaks the contract: it must return a function, received int"),
        ("one_for_all", r"breaks the contract: it must return the loss of each image, a tensor \(12,\), received \(\)"),
        ("raises", "raises KeyError: 'key'"),
        ("trains", "breaks the contract: a loss has no parameters and no state, received weight"),
        ("fails", "raises KeyError: 'spec'"),
    ],
)
def test_a_loss_that_breaks_its_contract_is_named_with_its_distribution(batch, own_losses, name, clause):
    with pytest.raises(UserError, match=f"loss '{name}' of own-losses 1.0 {clause}"):
        Loss(name, 0.0, None, SPEC)(*batch)


def test_a_loss_is_named_by_its_import_path(batch, own_losses):
    assert Loss("own_losses.own", 0.0, None, SPEC)(*batch) > 0
    with pytest.raises(UserError, match=r"loss 'os\.getcwd' breaks the contract: it is called with \(spec, \.\.\.\)"):
        Loss("os.getcwd", 0.0, None, SPEC)
