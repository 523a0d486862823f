"""Folders of photographs: layouts, dirt and faults."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.core import registry
from zoo.core.errors import NoSplitError, UserError
from zoo.data.root import default_root
from zoo.datasets.folder import PHOTOGRAPH_SIZE


@pytest.fixture
def make(tmp_path):
    """Make class folders with so many images, each with pixels of its own."""

    def make(where: str, classes: dict[str, int], size=(40, 30)):
        for label, (name, count) in enumerate(classes.items()):
            folder = tmp_path / where / name
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                colour = (label * 50, number * 5 % 256, (number * 7 + len(where)) % 256)
                Image.new("RGB", size, colour).save(folder / f"{number:03}.png")
        return tmp_path

    return make


def paths(dataset):
    return [os.path.relpath(path) for path in dataset.files]


def test_train_and_val_folders_are_splits(make):
    root = make("train", {"cat": 4, "ant": 3})
    make("valid", {"ant": 1, "cat": 2})
    train, val = zoo.create_dataset("folder", root, "train"), zoo.create_dataset("folder", root, "val")
    assert train.classes == val.classes == ["ant", "cat"]
    assert np.bincount(train.labels).tolist() == [3, 4]
    assert np.bincount(val.labels).tolist() == [1, 2]
    with pytest.raises(NoSplitError, match="has train/ but no test/"):
        zoo.create_dataset("folder", root, "test")


def test_class_folders_alone_are_one_data_set_from_which_splits_are_drawn(make):
    root = make(".", {"a": 20, "b": 30})
    whole = zoo.create_dataset("folder", root, "train")
    assert (len(whole), whole.unsplit) == (50, True)
    for split in ("val", "test"):
        with pytest.raises(NoSplitError, match="has class folders alone; zoo draws its splits"):
            zoo.create_dataset("folder", root, split)


def test_hidden_folders_other_files_and_odd_names_do_no_harm(make):
    root = make("train", {"ant hill": 2, "bée\nx": 2})
    train = root / "train"
    for path in (train / ".ipynb_checkpoints", train / "ant hill" / ".thumbs"):
        path.mkdir()
        Image.new("L", (4, 4)).save(path / "x.png")
    (train / "ant hill" / "notes.txt").write_text("no image")
    (train / "ant hill" / "._000.png").write_text("a Mac's file")
    (train / "ant hill" / "again").symlink_to(train / "ant hill", target_is_directory=True)
    dataset = zoo.create_dataset("folder", root, "train")
    assert dataset.classes == ["ant hill", "bée\nx"]
    assert len(dataset) == 4
    assert (dataset[3][0].size, dataset[3][0].mode) == ((40, 30), "RGB")


def test_a_linked_class_folder_counts(make, tmp_path):
    make("elsewhere", {"bee": 2})
    root = make("data/train", {"ant": 2}) / "data"
    (root / "train" / "bee").symlink_to(tmp_path / "elsewhere" / "bee", target_is_directory=True)
    assert len(zoo.create_dataset("folder", root, "train")) == 4


def test_differing_classes_are_listed(make):
    root = make("train", {"ant": 1, "bee": 1})
    make("val", {"ant": 1, "wasp": 1})
    with pytest.raises(UserError, match=r"not in train/: wasp; missing: bee"):
        zoo.create_dataset("folder", root, "val")


def test_a_class_folder_without_images_is_named(make):
    root = make("train", {"ant": 1, "bee": 0})
    with pytest.raises(UserError, match=r"class folder .*bee holds no image"):
        zoo.create_dataset("folder", root, "train")


def test_as_found_keeps_other_classes_and_empty_folders(make):
    root = make("train", {"ant": 1, "bee": 0})
    make("val", {"ant": 1, "wasp": 2})
    train, val = (
        registry.call("dataset", "folder", (root, split), {}, variant="as_found") for split in ("train", "val")
    )
    assert (train.classes, train.labels.tolist()) == (["ant", "bee"], [0])
    assert (val.classes, val.labels.tolist()) == (["ant", "wasp"], [0, 1, 1])
    assert val.path(0) == str(root / "val" / "ant" / "000.png")


def test_a_root_that_is_no_folder_shows_the_layouts(tmp_path):
    with pytest.raises(UserError, match=r"is not a folder; --data\.root must name one laid out as <root>/train"):
        zoo.create_dataset("folder", tmp_path / "nothing", "train")


def test_a_folder_that_nobody_named_is_not_the_cache_of_downloads(monkeypatch):
    monkeypatch.delenv("ZOO_DATA_ROOT", raising=False)
    with pytest.raises(UserError, match=r"--data folder needs --data\.root FOLDER"):
        zoo.create_dataset("folder", default_root(), "train")


def test_a_root_without_class_folders_shows_the_layouts(tmp_path):
    with pytest.raises(UserError, match="has no class folders"):
        zoo.create_dataset("folder", tmp_path, "train")


def test_small_images_of_one_size_keep_it_and_photographs_get_224(make):
    root = make("train", {"a": 2, "b": 2}, size=(40, 30))
    assert zoo.create_dataset("folder", root, "train").image_size == (30, 40)
    make("train", {"c": 2}, size=(50, 50))
    assert zoo.create_dataset("folder", root, "train").image_size == (PHOTOGRAPH_SIZE, PHOTOGRAPH_SIZE)


def test_grey_can_be_asked_for(make):
    root = make("train", {"a": 2, "b": 2})
    assert zoo.create_dataset("folder", root, "train", channels=1)[0][0].mode == "L"


def test_real_photographs_open(real_data):
    dataset = zoo.create_dataset("folder", real_data / "hymenoptera", "train")
    assert dataset.classes == ["ants", "bees"]
    assert len(dataset) == 245
    assert all(dataset[index][0].mode == "RGB" for index in range(0, 245, 20))


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [("Training", "valid", "Testing"), ("TRAIN", "DEV", "Eval"), ("train", "Validation", "evaluation")],
)
def test_splits_are_recognised_as_people_write_them_and_said(make, train, val, test):
    for name in (train, val, test):
        root = make(name, {"ant": 1, "bee": 1})
    splits = [zoo.create_dataset("folder", root, split) for split in ("train", "val", "test")]
    assert [paths(split)[0] for split in splits] == [
        os.path.relpath(root / name / "ant" / "000.png") for name in (train, val, test)
    ]
    assert [note.split(maxsplit=1)[1] for note in splits[0].notes] == [
        f"train is {train}/, val is {val}/, test is {test}/"
    ]


def test_two_names_of_one_split_are_an_error(make):
    make("train", {"ant": 1})
    make("dev", {"ant": 1})
    root = make("Val", {"ant": 1})
    with pytest.raises(UserError, match=r"has both Val/ and dev/, which are one split \(val\); keep one"):
        zoo.create_dataset("folder", root, "train")


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_folder_that_may_be_a_split_or_a_class_is_a_question(make, split):
    make(".", {"car": 2, "plane": 2})
    root = make(split, {"steam": 2, "diesel": 2})
    with pytest.raises(
        UserError, match=rf"has {split}/ with folders in it, beside car/, plane/: is it a split .*or a class\?"
    ):
        zoo.create_dataset("folder", root, "train")
    assert zoo.create_dataset("folder", root, "train", layout="classes").classes == ["car", "plane", split]
    if split == "train":
        assert zoo.create_dataset("folder", root, "train", layout="splits").classes == ["diesel", "steam"]


def test_a_class_may_be_called_train_and_other_folders_lie_beside_splits(make):
    root = make("flat", {"car": 2, "train": 2}) / "flat"
    assert zoo.create_dataset("folder", root, "train").classes == ["car", "train"]
    make("splits/train", {"ant": 1, "bee": 1})
    make("splits/test", {"ant": 1, "bee": 1})
    make("splits", {"unlabelled": 3})
    assert zoo.create_dataset("folder", root.parent / "splits", "train").classes == ["ant", "bee"]


def test_a_test_folder_without_classes_is_no_split(make):
    root = make("train", {"ant": 1, "bee": 1})
    make(".", {"test": 3})
    with pytest.raises(NoSplitError, match="has train/ but no test/ with class folders"):
        zoo.create_dataset("folder", root, "test")


def test_what_training_and_systems_leave_is_never_a_class(make):
    root = make(".", {"ant": 2, "bee": 2})
    for place in ("runs/folder-lenet5/version_0", "out/here/folds_0/fold_1", "copied"):
        (root / place / "checkpoints").mkdir(parents=True)
        (root / place / "config.yaml").write_text("model: lenet5")
        Image.new("L", (4, 4)).save(root / place / "plot.png")
    make("__MACOSX", {"ant": 1})
    (root / "wandb").mkdir()
    assert zoo.create_dataset("folder", root, "train").classes == ["ant", "bee"]


def test_class_folders_one_level_below_the_root_are_named(make):
    make("images/train", {"ant": 1, "bee": 1})
    root = make("images/val", {"ant": 1, "bee": 1})
    with pytest.raises(UserError, match=r"images/, which holds train/, val/; try --data\.root .*images"):
        zoo.create_dataset("folder", root, "train")


@pytest.mark.parametrize("where", [".", "train", "train/cat", "notes"])
def test_a_folder_that_cannot_be_read_is_named(make, unreadable, where):
    root = make("train", {"cat": 4, "ant": 3})
    (root / "notes").mkdir()
    unreadable(root / where)
    with pytest.raises(UserError, match=rf"{(root / where).name}: this folder cannot be read: Permission denied"):
        zoo.create_dataset("folder", root, "train")


def test_links_that_lead_to_themselves_are_left_out(make):
    root = make("train", {"cat": 4, "ant": 3})
    for place in (root / "loop", root / "train" / "loop", root / "train" / "cat" / "loop"):
        place.symlink_to("loop")
    assert zoo.create_dataset("folder", root, "train").classes == ["ant", "cat"]
