"""Mixed training images: what the network sees is what its targets say."""

from __future__ import annotations

import pytest
import torch
from support import REPOSITORY

from zoo.core.errors import UserError
from zoo.training.mixup import BatchMixer
from zoo.training.task import ImageClassifier


@pytest.fixture
def batch():
    """Images that are their own label in every pixel, so that a mixed pixel tells its shares."""
    labels = torch.arange(10)
    return labels.float().view(10, 1, 1, 1).expand(10, 1, 16, 16).contiguous(), labels


def test_mixup_blends_pixels_and_targets_by_the_same_share(batch):
    torch.manual_seed(0)
    inputs, targets = BatchMixer(1.0, None, 10)(*batch)
    assert torch.allclose(inputs.mean(dim=(1, 2, 3)), targets @ torch.arange(10.0), atol=1e-5)
    assert torch.allclose(inputs.amax(dim=(1, 2, 3)), inputs.amin(dim=(1, 2, 3)))
    assert (targets.count_nonzero(dim=1) == 2).all()


def test_cutmix_pastes_a_rectangle_and_shares_the_target_by_its_area(batch):
    torch.manual_seed(0)
    inputs, targets = BatchMixer(None, 1.0, 10)(*batch)
    assert set(inputs.unique().tolist()) == set(range(10))
    assert torch.allclose(inputs.mean(dim=(1, 2, 3)), targets @ torch.arange(10.0), atol=1e-5)
    assert inputs[5].unique().tolist() == [4, 5]


def test_of_both_each_batch_takes_one(batch):
    torch.manual_seed(0)
    mixing = BatchMixer(1.0, 1.0, 10)
    whole = {bool((inputs == inputs.round()).all()) for inputs, _ in (mixing(*batch) for _ in range(20))}
    assert whole == {True, False}


@pytest.mark.parametrize(("name", "alpha"), [("mixup", 0.0), ("cutmix", -1.0), ("mixup", float("nan"))])
def test_an_alpha_that_is_not_above_0_is_an_error(grey_spec, name, alpha):
    with pytest.raises(UserError, match=f"model.{name} is {alpha}; allowed is more than 0"):
        ImageClassifier(grey_spec, **{name: alpha})


def test_evaluation_mixes_nothing(grey_spec):
    torch.manual_seed(0)
    classifier = ImageClassifier(grey_spec, mixup=1.0).eval()
    images, labels = torch.randint(0, 256, (20, 8, 8, 1), dtype=torch.uint8), torch.arange(20) % 10
    classifier.validation_step((images, labels), 0)
    expected = torch.nn.functional.cross_entropy(classifier(images), labels).detach()
    assert float(classifier.val_metrics.compute_and_reset()["val/loss"]) == pytest.approx(float(expected))


def test_training_accuracy_counts_the_class_of_the_larger_share(grey_spec):
    class Known(torch.nn.Module):
        def forward(self, inputs):
            return guess

    classifier = ImageClassifier(grey_spec, mixup=1.0)
    images, labels = torch.randint(0, 256, (20, 8, 8, 1), dtype=torch.uint8), torch.arange(20) % 10
    torch.manual_seed(0)
    _, targets = classifier.mixer(classifier.preprocess(images), labels)
    guess = targets.clone()
    classifier.network = Known()
    torch.manual_seed(0)
    output = classifier.training_step((images, labels), 0)
    assert (output["logits"].argmax(dim=1) == output["labels"]).sum() == 20


def test_frozen_layers_run_in_every_epoch_and_the_reason_is_said(zoo):
    options = ("--model.freeze", 2, "--model.mixup", 0.2, "--trainer.max_epochs", 2)
    status, _, err = zoo("fit", *options, "--trainer.limit_train_batches", 3)
    assert status == 0
    assert "the frozen layers run in every epoch: mixup and cutmix change their input" in err


def test_mixing_trains_on_real_images(zoo, real_data):
    config = REPOSITORY / "configs" / "cifar10" / "lenet5.yaml"
    limits = ("--trainer.max_epochs", 1, "--trainer.limit_train_batches", 300)
    status, out, err = zoo("fit", "--config", config, "--model.mixup", 0.2, "--model.cutmix", 1, *limits)
    assert status == 0, err
    line = [line for line in out.splitlines() if line.startswith("epoch 1")][-1]  # a slow epoch has others
    assert float(line.split("val accuracy ")[1].split("%")[0]) > 25
