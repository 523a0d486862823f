"""ImageClassifier: its steps, its metrics against an independent computation, its contract."""

from __future__ import annotations

import dataclasses
import json

import pytest
import sklearn.metrics
import torch

from zoo.core.errors import UserError
from zoo.training.task import ImageClassifier


@pytest.fixture
def classifier(grey_spec):
    torch.manual_seed(0)
    return ImageClassifier(grey_spec, {"name": "lenet5", "dropout": 0.1})


def batches(count=4, size=25):
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        images = torch.randint(0, 256, (size, 8, 8, 1), dtype=torch.uint8, generator=generator)
        yield images, torch.randint(0, 10, (size,), generator=generator)


def test_hyperparameters_are_primitives_that_build_the_same_module(classifier):
    hyperparameters = dict(classifier.hparams)
    assert json.loads(json.dumps(hyperparameters)) == hyperparameters
    again = ImageClassifier(**hyperparameters)
    again.load_state_dict(classifier.state_dict())
    images, _ = next(batches())
    assert torch.equal(again.eval()(images), classifier.eval()(images))


@pytest.mark.parametrize("easy", [False, True])
def test_metrics_equal_scikit_learns(classifier, easy, monkeypatch):
    """Easy: the first batch is all right, which must not tie top-5 to top-1 for good."""
    logits, labels = torch.randn(4, 25, 10), torch.arange(100).view(4, 25) % 10
    if easy:
        logits[0] = torch.nn.functional.one_hot(labels[0], 10) * 9.0
    outputs = iter(logits)
    monkeypatch.setattr(classifier, "forward", lambda images: next(outputs))
    logged = {}
    monkeypatch.setattr(classifier, "log_dict", lambda values, **_: logged.update(values))
    for label in labels:
        classifier.test_step((torch.zeros(25, 8, 8, 1), label), 0)
    classifier.on_test_epoch_end()
    truth, scores = labels.flatten().numpy(), logits.flatten(0, 1).numpy()
    guess = scores.argmax(1)
    assert float(logged["test/accuracy"]) == pytest.approx(sklearn.metrics.accuracy_score(truth, guess))
    assert float(logged["test/f1"]) == pytest.approx(sklearn.metrics.f1_score(truth, guess, average="macro"))
    top5 = sklearn.metrics.top_k_accuracy_score(truth, scores, k=5)
    assert float(logged["test/top5_accuracy"]) == pytest.approx(top5)
    probabilities = logits.flatten(0, 1).softmax(1).numpy()
    assert float(logged["test/loss"]) == pytest.approx(sklearn.metrics.log_loss(truth, probabilities), rel=1e-5)


def test_batches_of_different_sizes_weigh_by_their_images(classifier, monkeypatch):
    logged = {}
    monkeypatch.setattr(classifier, "log_dict", lambda values, **_: logged.update(values))
    (images, labels), *_ = batches(1, 17)
    classifier.eval()
    for part in (slice(0, 16), slice(16, 17)):
        classifier.validation_step((images[part], labels[part]), 0)
    classifier.on_validation_epoch_end()
    whole = torch.nn.functional.cross_entropy(classifier(images), labels).detach()
    assert float(logged["val/loss"]) == pytest.approx(float(whole), rel=1e-5)


def test_top_5_is_left_out_where_it_says_nothing(colour_spec):
    assert "val/top5_accuracy" not in ImageClassifier(colour_spec).val_metrics.figures


def test_label_smoothing_changes_the_loss(grey_spec):
    batch = next(batches())
    losses = []
    for smoothing in (0.0, 0.2):
        torch.manual_seed(0)
        losses.append(ImageClassifier(grey_spec, label_smoothing=smoothing).training_step(batch, 0)["loss"].item())
    assert losses[0] != losses[1]


def test_mse_is_that_of_the_probabilities(grey_spec):
    images, labels = next(batches())
    classifier = ImageClassifier(grey_spec, loss="mse")
    expected = (classifier(images).softmax(1) - torch.eye(10)[labels]).square().mean()
    torch.testing.assert_close(classifier.training_step((images, labels), 0)["loss"], expected)


def test_l1_adds_the_weights_to_what_is_minimised_not_to_what_is_shown(grey_spec):
    classifier = ImageClassifier(grey_spec, l1=0.01)
    output = classifier.training_step(next(batches()), 0)
    weights = sum(parameter.abs().sum() for parameter in classifier.parameters() if parameter.ndim > 1)
    torch.testing.assert_close(output["loss"].detach() - output["loss_value"], 0.01 * weights.detach())


@pytest.mark.parametrize(
    ("option", "message"),
    [({"l1": -1}, r"model\.l1 is -1"), ({"loss": "mae"}, "unknown loss 'mae'; did you mean 'mse'")],
)
def test_a_loss_that_does_not_exist_is_an_error(grey_spec, option, message):
    with pytest.raises(UserError, match=message):
        ImageClassifier(grey_spec, **option)


def test_optimizer_and_scheduler_are_built_over_what_trains(grey_spec):
    scheduler = {"class_path": "torch.optim.lr_scheduler.StepLR", "init_args": {"step_size": 3}}
    optimizer = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.5}}
    classifier = ImageClassifier(grey_spec, optimizer=optimizer, lr_scheduler=scheduler)
    classifier.network[0].requires_grad_(False)
    configured = classifier.configure_optimizers()
    built, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    assert isinstance(built, torch.optim.SGD)
    assert len(built.param_groups[0]["params"]) == len(list(classifier.network.parameters())) - 2
    assert schedule.step_size == 3


def test_an_architecture_that_returns_another_shape_breaks_the_contract(grey_spec, install):
    source = "import torch\ndef odd(spec): return torch.nn.Flatten()\n"
    install("plugin-odd", "[zoo.architectures]\nodd = plugin_odd:odd\n", source, "plugin_odd")
    with pytest.raises(UserError, match=r"'odd' of plugin-odd 1\.0 breaks .* \(1, 10\), received \(1, 64\)"):
        ImageClassifier(grey_spec, "odd").training_step(next(batches()), 0)


def test_label_smoothing_outside_its_range_is_an_error(grey_spec):
    with pytest.raises(UserError, match=r"label_smoothing is 1\.0; allowed is 0 or more and less than 1"):
        ImageClassifier(grey_spec, label_smoothing=1.0)


@pytest.mark.parametrize(
    ("name", "what", "stopped"),
    [
        ("torchvision/resnet18", 5, ("conv1.", "bn1.", "layer1.")),
        ("torchvision/resnet18", "layer1", ("layer1.",)),
        ("vgg11_bn", 3, ("features.0.", "features.1.", "features.4.", "features.5.", "features.8.", "features.9.")),
        ("vgg11_bn", "features", ("features.",)),
    ],
)
def test_frozen_weights_and_buffers_are_bit_identical_after_training(colour_spec, name, what, stopped):
    spec = dataclasses.replace(colour_spec, height=64, width=64)
    torch.manual_seed(0)
    optimizer = {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.01, "weight_decay": 0.1}}
    classifier = ImageClassifier(spec, name, freeze=what, optimizer=optimizer)
    state = classifier.network.state_dict()
    before = {key: value.clone() for key, value in state.items()}
    built = classifier.configure_optimizers()
    for _ in range(2):
        classifier.eval()
        classifier.train()
        images = torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8)
        classifier.training_step((images, torch.tensor([0, 1, 2, 0])), 0)["loss"].backward()
        built.step()
    changed = {key for key in before if not torch.equal(before[key], state[key])}
    assert changed == {key for key in before if not key.startswith(stopped)}
    held = {id(parameter) for group in built.param_groups for parameter in group["params"]}
    trained = {id(value) for key, value in classifier.network.named_parameters() if not key.startswith(stopped)}
    assert held == trained
