"""zoo package writes a wheel; what it installs is a model by its name."""

from __future__ import annotations

import base64
import csv
import email
import hashlib
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support import REPOSITORY, error_of

import zoo as library
from zoo.cli.doctor import diagnose
from zoo.cli.package import package
from zoo.core import registry
from zoo.core.errors import UserError
from zoo.export.app_wheels import write_runtime
from zoo.runtime import Classifier, ModelError


@pytest.fixture(scope="session")
def wheel(digits_run, digits_model, make_once):
    """A wheel of the tested run."""

    def write(folder: Path) -> None:
        assert digits_model.is_file()
        with pytest.MonkeyPatch.context() as patch:  # it is exported already; another test exports
            patch.setattr("zoo.config.export.export", lambda args: None)
            package([str(digits_run)], "Digit.classifier", "1.0", str(folder))

    return make_once("wheel", write) / "digit_classifier-1.0-py3-none-any.whl"


@pytest.fixture
def site(tmp_path, monkeypatch, wheel):
    """The folder in which the wheel is installed."""
    folder = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as content:
        content.extractall(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    registry.refresh()
    yield folder
    registry.refresh()


def test_its_record_has_the_digest_of_every_file(wheel):
    with zipfile.ZipFile(wheel) as content:
        record = csv.reader(content.read("digit_classifier-1.0.dist-info/RECORD").decode().splitlines())
        names = set(content.namelist())
        for name, digest, size in record:
            names.remove(name)
            if digest:
                data = content.read(name)
                expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
                assert (digest, int(size)) == (f"sha256={expected}", len(data))
        assert not names


def test_it_is_listed_and_described_and_nothing_of_it_is_imported(zoo, site):
    (site / "digit_classifier" / "__init__.py").write_text("raise SystemExit(3)")
    assert "model  Digit.classifier  digit-classifier  1.0" in zoo("list", "models")[1]
    status, out, _ = zoo("info", "Digit.classifier")
    assert status == 0
    assert "A classifier of images into 10 classes: 0, 1, 2" in out
    assert "library_name" not in out  # the Hub's front matter


def test_its_answers_are_those_of_the_run(site, digits_run, digits_model):
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), np.uint8)
    loaded, run = library.load("Digit.classifier"), library.load(digits_run)
    with torch.inference_mode():
        assert torch.equal(loaded(torch.from_numpy(images)), run(torch.from_numpy(images)))
    assert loaded.temperature == run.temperature
    assert loaded.run.known_training_images() == run.run.known_training_images()
    exported = Classifier("Digit.classifier")
    assert np.array_equal(exported.probabilities(images), Classifier(digits_model).probabilities(images))


def test_predict_and_verify_take_its_name(zoo, site, tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    assert zoo("predict", "Digit.classifier", "a.png")[0] == 0
    assert zoo("verify", "digit-classifier:Digit.classifier")[0] == 0


def test_a_name_that_is_nearly_that_of_a_model_is_answered_with_it(zoo, site, tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    error = error_of(zoo("predict", "Digit.clasifier", "a.png"))
    assert "neither a run, a checkpoint nor an installed model; did you mean 'Digit.classifier'?" in error


def test_training_starts_from_it_and_keeps_the_rows_of_its_classes(zoo, site, tmp_path, digits_run):
    options = ("--optimizer", "SGD", "--optimizer.lr", "0", "--trainer.max_epochs", 1, "--run", "next")
    status, _, err = zoo("fit", "--model.weights", "Digit.classifier", *options)
    assert status == 0, err
    assert "weights Digit.classifier" in err
    before = torch.load(digits_run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    after = torch.load(tmp_path / "runs" / "next" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("file", ["model.onnx", "weights.safetensors"])
def test_a_model_that_was_changed_is_refused_with_its_name(zoo, site, file):
    with (site / "digit_classifier" / file).open("ab") as content:
        content.write(b"x")
    message = "model 'Digit.classifier' of digit-classifier was changed after it was installed"
    assert message in error_of(zoo("verify", "Digit.classifier"))
    with pytest.raises(UserError, match=message):
        library.load("Digit.classifier")


def test_a_model_without_its_file_is_named(site):
    (site / "digit_classifier" / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"'Digit\.classifier' of digit-classifier has no model\.onnx; reinstall"):
        Classifier("Digit.classifier")


def test_of_two_with_one_name_both_are_named_and_one_can_be_selected(zoo, site, install):
    install("other-digits", "[zoo.models]\nDigit.classifier = other:folder\n", "", "other")
    error = error_of(zoo("verify", "Digit.classifier"))
    assert "is of 2 distributions; select one of: digit-classifier:Digit.classifier, other-digits:Digit" in error
    assert zoo("verify", "digit-classifier:Digit.classifier")[0] == 0


def test_a_network_that_is_one_file_is_in_the_wheel(zoo, tmp_path, monkeypatch):
    (tmp_path / "mynet.py").write_text(
        "from torch import nn\n\n\ndef mynet(spec):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(spec.height * spec.width, len(spec.classes)))\n"
    )
    assert zoo("fit", "--model", "mynet.py", "--trainer.max_epochs", 1, "--run", "one")[0] == 0
    status, out, err = zoo("package", "runs/one", "--name", "own-net", "--version", "2", "--output", "wheels")
    assert status == 0, err
    assert out.splitlines()[-1] == "wheels/own_net-2-py3-none-any.whl"
    with zipfile.ZipFile(out.splitlines()[-1]) as content:
        content.extractall(tmp_path / "own-site")
    (tmp_path / "mynet.py").unlink()
    monkeypatch.syspath_prepend(str(tmp_path / "own-site"))
    registry.refresh()
    loaded, run = library.load("own-net"), library.load("runs/one")
    images = torch.zeros(2, 8, 8, 1, dtype=torch.uint8)
    assert torch.equal(loaded(images), run(images))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "which name? zoo package RUN --name flower-classifier"),
        (("--name", "-x"), "--name"),
        (("--name", "9net"), "--name is '9net'; allowed are letters"),
        (("--name", "torch"), "the Python package torch is there and no model"),
        (("--name", "json"), "the Python package json is there and no model"),
        (("--name", "a-net", "--version", "one"), "--version is 'one'; allowed is a version such as 1.0"),
    ],
)
def test_what_cannot_be_packed_is_one_line(zoo, digits_run, options, message):
    assert message in error_of(zoo("package", digits_run, *options))


def test_a_wheel_of_another_run_is_not_overwritten(digits_run, wheel, monkeypatch):
    monkeypatch.setattr("zoo.config.export.export", lambda args: None)
    before = wheel.read_bytes()
    arguments = [str(digits_run)], "Digit.classifier", "1.0", str(wheel.parent)
    assert package(*arguments) == wheel  # the same content
    monkeypatch.setattr("zoo.reports.card.model_card", lambda run, name, wheel: "another card")
    with pytest.raises(UserError, match=r"1\.0-py3-none-any\.whl holds another model.*; raise --version"):
        package(*arguments)
    assert wheel.read_bytes() == before


def test_the_wheel_of_the_runtime_is_beside_it(zoo, tmp_path, digits_run, monkeypatch, digits_model):
    monkeypatch.setattr("zoo.config.export.export", lambda args: None)
    status, out, err = zoo("package", digits_run, "--name", "other-digits")
    assert status == 0, err
    assert out.splitlines()[-1] == "dist/other_digits-1.0-py3-none-any.whl"
    [runtime] = tmp_path.glob("dist/zoo_runtime-*.whl")
    assert f"pip install dist/{runtime.name} dist/other_digits-1.0-py3-none-any.whl" in err
    code = "import zoo_runtime, sys; print(zoo_runtime.__file__, 'torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(runtime)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.split() == [str(runtime / "zoo_runtime.py"), "False"], done.stderr


def test_the_wheel_of_the_runtime_asks_for_what_its_project_asks_for(tmp_path):
    with zipfile.ZipFile(write_runtime(tmp_path)) as content:
        [info] = [name for name in content.namelist() if name.endswith("METADATA")]
        needs = email.message_from_bytes(content.read(info)).get_all("Requires-Dist")
    project = tomllib.loads((REPOSITORY / "plugins" / "zoo-runtime" / "pyproject.toml").read_text())["project"]
    assert needs[: len(project["dependencies"])] == project["dependencies"]


def test_the_web_page_for_an_installed_model_holds_its_wheel(zoo, site, wheel, tmp_path):
    status, _, err = zoo("new", "digits-app", "--app", "Digit.classifier")
    assert status == 0, err
    lines = (tmp_path / "digits-app" / "requirements.txt").read_text().splitlines()
    copy = tmp_path / "digits-app" / lines[1]
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(copy) as second:
        record = "digit_classifier-1.0.dist-info/RECORD"
        assert sorted(first.read(record).splitlines()) == sorted(second.read(record).splitlines())
        assert {name: first.read(name) for name in first.namelist() if name != record} == {
            name: second.read(name) for name in second.namelist() if name != record
        }
    assert 'Classifier("Digit.classifier")' in (tmp_path / "digits-app" / "app.py").read_text()


def test_training_another_network_from_it_is_answered_with_the_option(zoo, site):
    assert "add --model lenet5" in error_of(zoo("fit", "--model", "cnn", "--model.weights", "Digit.classifier"))


def test_doctor_checks_its_files(site):
    with (site / "digit_classifier" / "model.onnx").open("ab") as content:
        content.write(b"x")
    [diagnosis] = diagnose([entry for entry in registry.entries("model") if entry.name == "Digit.classifier"])
    assert "was changed after it was installed" in diagnosis.state
