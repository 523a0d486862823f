"""Distillation: the loss to a teacher, who may be a teacher, and a training with one."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
import yaml
from torch.nn.functional import cross_entropy

import zoo as library
from zoo.core.errors import UserError
from zoo.training.distillation import Distillation
from zoo.training.task import ImageClassifier


@pytest.fixture
def images():
    return torch.randint(0, 256, (7, 8, 8, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def teacher(digits_run):
    return library.load(digits_run)


def test_the_loss_is_hintons(digits_run, teacher, images):
    logits, loss = torch.randn(7, 10), torch.tensor(0.5)
    with torch.no_grad():
        soft = (teacher(images) / 3).softmax(1)
    entropy = -(soft * soft.log()).sum(1).mean()
    expected = 0.25 * 0.5 + 0.75 * 9 * (cross_entropy(logits / 3, soft) - entropy)
    combined = Distillation(str(digits_run), 3.0, 0.75, teacher.spec).combined(loss, logits, images)
    torch.testing.assert_close(combined, expected)


def test_a_network_that_answers_as_its_teacher_has_no_loss_to_it(digits_run, teacher, images):
    spec = dataclasses.replace(teacher.spec, classes=teacher.spec.classes[3::-1])  # some of its classes, other order
    with torch.no_grad():
        logits = teacher(images)[:, [3, 2, 1, 0]]
    loss = Distillation(str(digits_run), 2.0, 1.0, spec).combined(torch.tensor(5.0), logits, images)
    assert float(loss) == pytest.approx(0, abs=1e-6)


def test_an_exported_file_teaches_as_its_run_does(digits_run, digits_model, teacher, images):
    logits, loss = torch.randn(7, 10), torch.tensor(0.0)
    by_run, by_file = (
        Distillation(str(path), 4.0, 1.0, teacher.spec).combined(loss, logits, images)
        for path in (digits_run, digits_model)
    )
    torch.testing.assert_close(by_run, by_file, rtol=1e-4, atol=1e-5)


def test_a_file_of_normalised_images_teaches_too(zoo, untested_run, teacher, images):
    assert zoo("export", untested_run, "--input", "float", "--batch", "2")[0] == 0
    logits, loss = torch.randn(7, 10), torch.tensor(0.0)
    by_run, by_file = (
        Distillation(str(path), 4.0, 1.0, teacher.spec).combined(loss, logits, images)
        for path in (untested_run, untested_run / "model.float.onnx")
    )
    torch.testing.assert_close(by_run, by_file, rtol=1e-4, atol=1e-5)


def test_a_teacher_is_no_part_of_the_network(digits_run, teacher):
    plain = ImageClassifier(teacher.spec, "lenet5")
    taught = ImageClassifier(teacher.spec, "lenet5", teacher=str(digits_run))
    assert taught.state_dict().keys() == plain.state_dict().keys()
    assert dict(taught.hparams) == dict(plain.hparams)
    assert copy.deepcopy(taught).distillation is taught.distillation


def test_training_shows_the_loss_to_the_labels_alone(digits_run, teacher, images):
    labels = torch.arange(7)
    torch.manual_seed(0)
    taught = ImageClassifier(teacher.spec, "lenet5", teacher=str(digits_run)).eval()
    output = taught.training_step((images, labels), 0)
    torch.testing.assert_close(output["loss_value"], cross_entropy(output["logits"], labels))
    assert not torch.allclose(output["loss"], output["loss_value"])
    output["loss"].backward()
    assert all(parameter.grad is not None for parameter in taught.parameters())


def test_the_teacher_sees_mixed_images_as_the_network_does(digits_run, teacher, images, monkeypatch):
    taught = ImageClassifier(teacher.spec, "lenet5", teacher=str(digits_run), mixup=0.2)
    mixed = (images.int() + images.flip(0).int()).div(2, rounding_mode="floor").byte()
    monkeypatch.setattr(taught, "mixer", lambda inputs, labels: (taught.preprocess(mixed), torch.eye(10)[labels]))
    seen = []
    monkeypatch.setattr(taught.distillation, "combined", lambda loss, logits, shown: seen.append(shown) or loss)
    taught.training_step((images, torch.arange(7)), 0)
    assert torch.equal(seen[0], mixed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher": "nowhere"}, r"^model\.teacher: nowhere is not a run folder: it does not exist"),
        ({"teacher": "nowhere.onnx"}, r"^model\.teacher: .*nowhere\.onnx"),
        ({"teacher_temperature": 0}, r"model\.teacher_temperature is 0; allowed is more than 0"),
        ({"teacher_weight": 1.5}, r"model\.teacher_weight is 1\.5; allowed is more than 0 and at most 1"),
        ({"classes": ("0", "plus", "minus")}, r"which does not know the classes plus, minus; its classes must include"),
        ({"channels": 3, "mean": (0.5,) * 3, "std": (0.5,) * 3}, r"for images of 1 channel\(s\); the data's have 3"),
    ],
)
def test_a_teacher_that_cannot_teach_is_one_line(digits_run, teacher, options, message):
    fields = {name: options.pop(name) for name in ("classes", "channels", "mean", "std") if name in options}
    spec = dataclasses.replace(teacher.spec, **fields)
    with pytest.raises(UserError, match=message) as caught:
        ImageClassifier(spec, "lenet5", **{"teacher": str(digits_run), **options})
    assert "\n" not in str(caught.value)


def test_options_of_a_teacher_without_one_are_refused(teacher):
    with pytest.raises(UserError, match=r"model\.teacher_temperature and model\.teacher_weight need a teacher"):
        ImageClassifier(teacher.spec, "lenet5", teacher_weight=0.5)


def test_a_training_with_a_teacher_resumes(zoo, digits_run, tmp_path):
    options = ("--model.teacher", digits_run, "--model.teacher_temperature", 2, "--trainer.limit_train_batches", 3)
    status, out, err = zoo("fit", *options, "--trainer.max_epochs", 1)
    assert status == 0, err
    run = tmp_path / out.splitlines()[-1]
    recorded = yaml.safe_load((run / "config.yaml").read_text())["model"]
    assert (recorded["teacher"], recorded["teacher_temperature"]) == (str(digits_run.absolute()), 2.0)
    assert zoo("fit", run, "--trainer.max_epochs", 2)[0] == 0
    assert np.isfinite(library.load(run)(torch.zeros(1, 8, 8, 1, dtype=torch.uint8)).detach().numpy()).all()
