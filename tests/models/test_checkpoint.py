"""Checkpoints: atomic to write, safe to read."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

import zoo
from zoo.core.errors import CheckpointError
from zoo.models.checkpoint import read_checkpoint
from zoo.models.checkpoint_fields import require_fields, require_state


def test_a_run_and_its_checkpoint_load_as_the_same_classifier(digits_run):
    images = torch.randint(0, 256, (4, 8, 8, 1), dtype=torch.uint8)
    first, second = zoo.load(digits_run), zoo.load(digits_run / "checkpoints" / "best.ckpt")
    assert not first.training
    assert torch.equal(first(images), second(images))


def test_a_checkpoint_holds_tensors_and_primitives_only(digits_run):
    for name in ("best.ckpt", "last.ckpt"):
        checkpoint = torch.load(digits_run / "checkpoints" / name, weights_only=True)
        assert checkpoint["hyper_parameters"]["architecture"] == {
            "name": "lenet5",
            "from": f"zoo-classifiers=={zoo.__version__}",
            "variant": "keras",
            "dropout": 0.0,
        }
        assert str(digits_run) not in repr(checkpoint)


@pytest.mark.parametrize(
    ("hyperparameter", "reason"),
    [({"dropout": {"a": 1}}, "raises TypeError"), ({"width": 3}, "unexpected keyword argument 'width'")],
)
def test_a_network_that_its_checkpoint_does_not_describe_is_named_with_the_file(
    digits_run, tmp_path, hyperparameter, reason
):
    checkpoint = torch.load(digits_run / "checkpoints" / "best.ckpt", weights_only=True)
    checkpoint["hyper_parameters"]["architecture"] |= hyperparameter
    torch.save(checkpoint, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match=rf"other\.ckpt: architecture 'lenet5'.*{reason}"):
        zoo.load(tmp_path / "other.ckpt")


@pytest.mark.parametrize("content", [b"", b"random bytes", b"PK\x03\x04" + bytes(100)])
def test_a_damaged_checkpoint_is_named_with_its_size(tmp_path, content):
    path = tmp_path / "bad.ckpt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"bad\.ckpt is not a readable checkpoint \({len(content)} bytes\)"):
        read_checkpoint(path)


def test_a_truncated_checkpoint_is_named(digits_run, tmp_path):
    path = tmp_path / "half.ckpt"
    content = (digits_run / "checkpoints" / "last.ckpt").read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=r"half\.ckpt is not a readable checkpoint"):
        zoo.load(path)


@pytest.mark.parametrize("save", [torch.save, lambda payload, path: path.write_bytes(pickle.dumps(payload, 2))])
def test_a_checkpoint_with_a_payload_runs_nothing(tmp_path, save):
    class Payload:
        def __reduce__(self):
            return Path.touch, (tmp_path / "pwned",)

    path = tmp_path / "evil.ckpt"
    save({"state_dict": {}, "hyper_parameters": Payload()}, path)
    with pytest.raises(CheckpointError, match=r"evil\.ckpt is not a readable checkpoint"):
        zoo.load(path)
    assert not (tmp_path / "pwned").exists()


def test_a_checkpoint_of_another_program_is_refused(tmp_path):
    path = tmp_path / "other.ckpt"
    torch.save({"state_dict": {}, "hyper_parameters": {"_class_path": "os.system", "command": "true"}}, path)
    with pytest.raises(CheckpointError, match="not a checkpoint of this zoo"):
        zoo.load(path)
    torch.save({"weights": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="not a checkpoint of zoo"):
        zoo.load(path)


def test_weights_that_do_not_fit_are_an_error(digits_run, tmp_path):
    checkpoint = torch.load(digits_run / "checkpoints" / "last.ckpt")
    checkpoint["hyper_parameters"]["spec"]["height"] = 16
    torch.save(checkpoint, tmp_path / "odd.ckpt")
    with pytest.raises(CheckpointError, match=r"odd\.ckpt: its weights do not fit its architecture"):
        zoo.load(tmp_path / "odd.ckpt")


def test_what_only_training_knows_does_not_keep_a_classifier_from_loading(digits_run, tmp_path):
    checkpoint = torch.load(digits_run / "checkpoints" / "last.ckpt")
    checkpoint["hyper_parameters"] |= {"loss": "of a later version", "temperature": 3.0}
    torch.save(checkpoint, tmp_path / "later.ckpt")
    assert zoo.load(tmp_path / "later.ckpt").architecture["name"] == "lenet5"


def changed(run, tmp_path, field, value):
    """Return a copy of a run's last checkpoint with another value at a path; without the field for ``...``."""
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    *path, last = field.split("/")
    inner = checkpoint
    for key in path:
        inner = inner[int(key) if key.isdigit() else key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    torch.save(checkpoint, tmp_path / "changed.ckpt")
    return tmp_path / "changed.ckpt"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("hyper_parameters", [1], r"hyper_parameters is \[1\] \(list\); allowed is a mapping"),
        ("hyper_parameters/architecture", 7, r"hyper_parameters\.architecture is 7 \(int\)"),
        ("hyper_parameters/architecture", {}, "allowed is a mapping with the architecture's name"),
        ("hyper_parameters/spec", ..., r"hyper_parameters\.spec is missing"),
        ("state_dict", "text", r"state_dict is text \(str\); allowed is a mapping of names to tensors"),
        ("global_step", ..., "global_step is missing"),
        ("epoch", -1, "epoch is -1"),
    ],
)
def test_a_field_that_zoo_does_not_write_is_named(digits_run, tmp_path, field, value, message):
    with pytest.raises(CheckpointError, match=rf"changed\.ckpt is not a checkpoint of this zoo: .*{message}"):
        zoo.load(changed(digits_run, tmp_path, field, value))


def test_weights_that_are_nan_are_refused_when_they_are_read(digits_run, tmp_path):
    checkpoint = torch.load(digits_run / "checkpoints" / "last.ckpt", weights_only=True)
    name = next(iter(checkpoint["state_dict"]))
    checkpoint["state_dict"][name].view(-1)[:3] = torch.nan
    torch.save(checkpoint, tmp_path / "nan.ckpt")
    with pytest.raises(CheckpointError, match=rf"nan\.ckpt: state_dict\.{name} holds 3 NaN of"):
        read_checkpoint(tmp_path / "nan.ckpt")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("optimizer_states", ..., "optimizer_states is missing"),
        ("optimizer_states", "text", "optimizer_states is text"),
        ("optimizer_states/0/param_groups", 5, "optimizer_states is .* allowed is a list of states"),
        ("lr_schedulers", [1], "lr_schedulers is"),
        ("loops", {}, "loops is"),
        ("callbacks", [], "callbacks is"),
    ],
)
def test_what_a_training_goes_on_from_is_checked_before_it(digits_run, tmp_path, field, value, message):
    path = changed(digits_run, tmp_path, field, value)
    require_fields(torch.load(path, weights_only=True), path)  # enough for a test and an export
    with pytest.raises(CheckpointError, match=message):
        require_state(torch.load(path, weights_only=True), path)


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match="is no regular file"):
        read_checkpoint(tmp_path)
