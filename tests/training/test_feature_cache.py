"""Frozen layers run once, and what training makes of their output is what it would make of the images."""

from __future__ import annotations

import csv
import shutil

import pytest
import torch
from support import assert_equal_weights, error_of

from zoo.data.feature_source import FeatureSource
from zoo.data.loader import Loader
from zoo.data.sources import MemorySource
from zoo.models.frozen_prefix import FrozenPrefix
from zoo.training import feature_store
from zoo.training.feature_cache import FeatureCache

FROZEN = ("--model.freeze", 2, "--model.architecture.dropout", 0.3, "--trainer.max_epochs", 3)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where files of features go: a folder of this test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "zoo" / "features"


@pytest.fixture
def passes(monkeypatch):
    """A list that grows by the images of each pass through a frozen prefix."""
    seen = []
    compute = FrozenPrefix.features
    monkeypatch.setattr(
        FrozenPrefix, "features", lambda self, inputs: seen.append(len(inputs)) or compute(self, inputs)
    )
    return seen


@pytest.fixture(scope="module")
def uncached(tmp_path_factory):
    """FROZEN with the frozen layers in every step."""
    from zoo.cli import main

    folder = tmp_path_factory.mktemp("uncached")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeatureCache, "on_fit_start", lambda *_: None)
        assert main(["fit", *map(str, FROZEN), "--trainer.default_root_dir", str(folder)]) == 0
    return folder / "digits-lenet5" / "version_0"


def test_in_memory_they_lead_to_the_same_weights(zoo, tmp_path, uncached, passes, folder):
    status, out, err = zoo("fit", *FROZEN)
    assert status == 0
    assert "the frozen layers ran once, for 1,295 train and 143 val images" in err
    assert "0.4 MiB, is kept in memory" in err
    assert sum(passes) == 2 + 2 + 1295 + 143  # the first four are the check that the parts fit
    assert_equal_weights(uncached, tmp_path / out.splitlines()[-1])
    assert not folder.exists()
    with (tmp_path / out.splitlines()[-1] / "metrics.csv").open(newline="") as file:
        best = max(float(row["val/accuracy"]) for row in csv.DictReader(file) if row["val/accuracy"])
    assert f"{best:.4f}" in zoo("validate", tmp_path / out.splitlines()[-1])[1]


def test_with_the_last_layer_alone_they_lead_to_the_same_weights(zoo, tmp_path, monkeypatch):
    options = ("--model.freeze", "backbone", "--trainer.max_epochs", 2)
    status, out, err = zoo("fit", *options)
    assert status == 0
    assert "the frozen layers ran once, for 1,295 train and 143 val images" in err
    monkeypatch.setattr(FeatureCache, "on_fit_start", lambda *_: None)
    status, whole, err = zoo("fit", *options)
    assert "ran once" not in err
    assert_equal_weights(tmp_path / out.splitlines()[-1], tmp_path / whole.splitlines()[-1])


def test_in_files_they_lead_to_the_same_weights_and_serve_the_next_run(zoo, tmp_path, uncached, passes, folder):
    status, out, err = zoo("fit", *FROZEN, "--data.memory_gib", 0)
    assert status == 0
    assert f"is in {folder}" in err
    assert_equal_weights(uncached, tmp_path / out.splitlines()[-1])
    files = {path: path.stat().st_mtime_ns for path in folder.glob("*.features")}
    assert len(files) == 2
    done = len(passes)
    _, out, _ = zoo("fit", *FROZEN, "--data.memory_gib", 0)
    assert passes[done:] == [2, 2, 32, 32]  # the check, and the first batch of each split, which is a part of its key
    assert files == {path: path.stat().st_mtime_ns for path in folder.glob("*.features")}
    assert_equal_weights(uncached, tmp_path / out.splitlines()[-1])
    zoo("fit", *FROZEN, "--data.memory_gib", 0, "--seed_everything", 1)  # other frozen weights
    assert len(list(folder.glob("*.features"))) == 4
    assert not list(folder.glob("*.part"))


def test_a_file_of_another_size_is_made_again(zoo, tmp_path, uncached, folder):
    zoo("fit", *FROZEN, "--data.memory_gib", 0)
    for path in folder.glob("*.features"):
        path.write_bytes(path.read_bytes()[:100])
    _, out, _ = zoo("fit", *FROZEN, "--data.memory_gib", 0)
    assert_equal_weights(uncached, tmp_path / out.splitlines()[-1])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--data.augmentation", "crop"), "augmentation changes their input (--data.augmentation none"),
        (("--data.augmentation", "crop", "--data.views", 3), "training is no longer than the 3 views of each image"),
        (
            ("--data.augmentation", "crop", "--data.views", 2, "--model.mixup", 0.2),
            "mixup and cutmix change their input in every epoch, so data.views 2 does nothing",
        ),
        (("--trainer.max_epochs", 1), "training is no longer than one pass over the images"),
        (("--trainer.limit_train_batches", 2), "training is no longer than one pass over the images"),
        (("--trainer.max_steps", 5), "training is no longer than one pass over the images"),
        (("--model.freeze", "f6"), "they are not the first layers of the network"),
    ],
)
def test_where_they_must_run_in_every_epoch_one_line_says_why(zoo, options, reason):
    status, _, err = zoo("fit", *FROZEN, *options)
    assert status == 0, err
    [line] = [line for line in err.splitlines() if "frozen layers" in line]
    assert line.startswith(f"the frozen layers run in every epoch: {reason}")


def test_nothing_is_said_where_nothing_is_frozen(zoo):
    assert "frozen layers" not in zoo("fit", "--trainer.max_epochs", 2)[2]


def test_both_flips_are_stored_and_lead_to_the_same_weights(zoo, tmp_path, passes, monkeypatch):
    status, out, err = zoo("fit", *FROZEN, "--data.augmentation", "flip")
    assert status == 0, err
    assert "the frozen layers ran once, for 1,295 train in 2 views and 143 val images" in err
    assert sum(passes) == 2 + 2 + 2 * 1295 + 143
    with monkeypatch.context() as patch:
        patch.setattr(FeatureCache, "on_fit_start", lambda *_: None)
        _, uncached, _ = zoo("fit", *FROZEN, "--data.augmentation", "flip")
    assert_equal_weights(tmp_path / uncached.splitlines()[-1], tmp_path / out.splitlines()[-1])


@pytest.mark.parametrize("augmentation", ["crop", "[rotate, flip]"])
def test_as_many_views_are_stored_as_are_asked_for(zoo, passes, augmentation):
    words = ("--data.augmentation", augmentation, "--data.views", 2, "--data.num_workers", 0)
    status, _, err = zoo("fit", *FROZEN, *words)
    assert status == 0, err
    assert "the frozen layers ran once, for 1,295 train in 2 views and 143 val images" in err
    assert sum(passes) == 2 + 2 + 2 * 1295 + 143


def test_epochs_take_the_views_in_turn():
    features, labels = torch.arange(6.0)[:, None], torch.tensor([0, 1, 0, 1, 0, 1])
    loader = Loader(FeatureSource(features, labels, 3, MemorySource(features[:2], labels[:2])), 2, shuffle=True)
    served = []
    for epoch in range(4):
        loader.sampler.set_epoch(epoch)
        [(values, targets)] = list(loader)
        assert targets.tolist() == (values.flatten().long() % 2).tolist()
        served.append(sorted(values.flatten().tolist()))
    assert served == [[0, 1], [2, 3], [4, 5], [0, 1]]


def test_views_that_do_not_fit_are_refused_with_the_number_that_does(zoo, monkeypatch):
    monkeypatch.setattr(feature_store, "DISK_FLOPS_PER_BYTE", 1e6)
    words = ("--data.augmentation", "crop", "--data.views", 4, "--trainer.max_epochs", 5)
    _, _, err = zoo("fit", *FROZEN, *words, "--data.memory_gib", 0.001)  # a view of all images takes 0.3 MiB
    assert "from a disk takes longer" in err
    assert "; --data.views 3 fits into data.memory_gib" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--data.views", 0), "data.views is 0; allowed is 1 or more"),
        (("--data.views", 8), "data.views is 8, but data.augmentation changes nothing; leave one out"),
    ],
)
def test_views_that_mean_nothing_are_refused(zoo, words, message):
    assert message in error_of(zoo("fit", *FROZEN, *words))


def test_views_without_a_frozen_layer_are_said_to_do_nothing(zoo):
    words = ("--data.augmentation", "crop", "--data.views", 8, "--trainer.max_epochs", 1)
    assert "data.views 8 does nothing: no layer is frozen (--model.freeze)" in zoo("fit", *words)[2]


def test_files_slower_than_the_layers_are_not_made(zoo, folder, monkeypatch):
    monkeypatch.setattr(feature_store, "DISK_FLOPS_PER_BYTE", 1e6)
    _, _, err = zoo("fit", *FROZEN, "--data.memory_gib", 0)
    assert "every epoch: reading their 0.0 GiB of output from a disk takes longer" in err
    assert not folder.exists()


def test_a_disk_without_room_is_named(zoo, folder, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(feature_store.shutil, "disk_usage", lambda _: usage)
    status, _, err = zoo("fit", *FROZEN, "--data.memory_gib", 0)
    assert status == 0
    assert f"every epoch: {folder} has no room for their 0.0 GiB of output" in err
    assert list(folder.glob("*.features")) == []


@pytest.fixture
def scaled(install):
    """An architecture whose frozen part holds a number that is no weight."""
    source = """
from torch import nn

class Scale(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.dense = nn.Linear(64, 64)

    def forward(self, images):
        return self.dense(images * self.factor).relu()

def scaled(spec, factor: float = 1.0):
    parts = [("first", nn.Sequential(nn.Flatten(), Scale(factor))), ("last", nn.Linear(64, len(spec.classes)))]
    from collections import OrderedDict
    return nn.Sequential(OrderedDict(parts))
"""
    install("plugin-scaled", "[zoo.architectures]\nscaled = plugin_scaled:scaled\n", source, "plugin_scaled")


def test_frozen_layers_that_differ_in_more_than_weights_have_files_of_their_own(zoo, scaled, folder, monkeypatch):
    monkeypatch.setattr(feature_store, "DISK_FLOPS_PER_BYTE", 0)
    options = ("--model", "scaled", "--model.freeze", "first", "--data.memory_gib", 0, "--trainer.max_epochs", 2)
    lines = [zoo("fit", *options, "--model.architecture.factor", factor)[1].splitlines()[0] for factor in (1, 5)]
    assert lines[0] != lines[1]
    assert len(list(folder.glob("*.features"))) == 4


def test_a_folder_that_cannot_be_used_is_said(zoo, tmp_path, uncached):
    (tmp_path / "cache").write_text("a file")
    status, out, err = zoo("fit", *FROZEN, "--data.memory_gib", 0)
    assert status == 0
    assert "run in every epoch: " in err
    assert "cannot be used: Not a directory" in err
    assert_equal_weights(uncached, tmp_path / out.splitlines()[-1])


def test_files_that_are_there_need_no_room_and_leftovers_go(zoo, folder, monkeypatch):
    zoo("fit", *FROZEN, "--data.memory_gib", 0)
    (folder / "left.part").write_bytes(b"half")
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(feature_store.shutil, "disk_usage", lambda _: usage)
    assert f"is in {folder}" in zoo("fit", *FROZEN, "--data.memory_gib", 0)[2]
    assert not list(folder.glob("*.part"))


def test_a_finished_run_computes_nothing(zoo, passes):
    _, out, _ = zoo("fit", *FROZEN)
    done = len(passes)
    assert zoo("fit", out.splitlines()[-1])[0] == 0
    assert len(passes) == done


def test_damaged_images_stay_left_out(zoo, tmp_path):
    from PIL import Image

    for name, level in (("dark", 0), ("light", 200)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            Image.new("L", (12, 12), level + number).save(tmp_path / "photos" / name / f"{number}.png")
    (tmp_path / "photos" / "dark" / "3.png").write_text("not an image")
    data = ("--data", "folder", "--data.root", "photos", "--data.dataset.channels", 1, "--data.augmentation", "none")
    status, _, err = zoo("fit", *FROZEN, *data, "--data.skip_bad", "true", "--data.batch_size", 8)
    assert status == 0, err
    assert "the frozen layers ran once" in err
    assert err.count("skipped bad image") == 1


def test_balanced_sampling_and_a_moving_average_go_on_from_features(zoo, tmp_path):
    options = ("--data.balanced", "true", "--model.ema", 0.9)
    status, out, err = zoo("fit", *FROZEN, *options)
    assert status == 0
    assert "the frozen layers ran once, for 1,295 train and 143 val images" in err
    run = tmp_path / out.splitlines()[-1]
    with (run / "metrics.csv").open(newline="") as file:
        best = max(float(row["val/accuracy"]) for row in csv.DictReader(file) if row["val/accuracy"])
    assert f"{best:.4f}" in zoo("validate", run)[1]
