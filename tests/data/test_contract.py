"""A data set that breaks its contract is named with its distribution, the clause and the item."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from zoo.core.errors import ImageError
from zoo.data.contract import (
    BrokenDatasetError,
    ItemRaisesError,
    Place,
    read_item,
    require_attributes,
    require_dataset,
    require_listed,
)

PIXELS = np.zeros((8, 8, 1), np.uint8)
PLACE = Place("mine", "val", 2)


class Data:
    """A data set of 20 items that keeps the contract, but for the given attributes."""

    classes = ("a", "b")
    length = 20

    def __init__(self, **changed):
        vars(self).update(changed)

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return PIXELS, index % 2


@pytest.mark.parametrize(
    ("changed", "clause"),
    [
        ({"classes": None}, "classes of its val split must be texts, received None"),
        ({"classes": ("a", "a")}, "classes of its val split must differ, 'a' comes twice"),
        ({"length": 6.5}, "the length of its val split must be a whole number, 0 or more, received 6.5"),
        ({"length": -3}, "0 or more, received -3"),
        ({"length": None}, "0 or more, received None"),
    ],
)
def test_what_a_data_set_must_have(changed, clause):
    require_dataset("mine", "val", Data())
    with pytest.raises(BrokenDatasetError, match=f"data set 'mine' breaks the contract: .*{clause}"):
        require_dataset("mine", "val", Data(**changed))


@pytest.mark.parametrize(
    ("changed", "clause"),
    [
        ({"channels": "x"}, "channels of its val split must be a whole number, 1 or more, received 'x'"),
        ({"image_size": 7}, r"image_size of its val split must be \(height, width\) in pixels, received 7"),
        ({"mean": "x"}, "mean of its val split must be numbers, one a channel, received 'x'"),
    ],
)
def test_what_a_data_set_may_say_of_its_images(changed, clause):
    require_attributes("mine", "val", Data(channels=1, image_size=(8, 8), mean=[0.5]))
    with pytest.raises(BrokenDatasetError, match=clause):
        require_attributes("mine", "val", Data(**changed))


@pytest.mark.parametrize(
    ("changed", "clause"),
    [
        ({"labels": [0, 1]}, r"labels of its val split must be \(20,\), one an item, not \(2,\)"),
        ({"labels": ["a"] * 20}, "labels of its val split must be int64"),
        ({"labels": np.full(20, 0.5)}, "labels of its val split must be int64, received float64"),
        ({"labels": [0] * 19 + [2]}, "the labels of its val split must be 0 to 1, received 2"),
        ({"labels": [0] * 19 + [-1]}, "the labels of its val split must be 0 to 1, received -1"),
        ({"labels": [0] * 20, "images": np.zeros((3, 8, 8, 1), np.uint8)}, "images of its val split must be 20, one"),
    ],
)
def test_what_arrays_must_hold(changed, clause):
    require_listed("mine", "val", Data(labels=[0, 1] * 10))
    with pytest.raises(BrokenDatasetError, match=clause):
        require_listed("mine", "val", Data(**changed))


@pytest.mark.parametrize(
    ("item", "clause"),
    [
        (None, r"item 17 of its val split must be \(image, label\), received NoneType"),
        ((PIXELS, 0, 0), r"must be \(image, label\), received tuple of 3"),
        ({0: PIXELS, 1: 0}, r"must be \(image, label\), received dict"),
        ((PIXELS, "a"), "the label of item 17 of its val split must be 0 to 1, an index of its classes, received 'a'"),
        ((PIXELS, "1"), "received '1'"),
        ((PIXELS, None), "received None"),
        ((PIXELS, 0.5), r"received 0\.5"),
        ((PIXELS, -1), "received -1"),
        ((PIXELS, 2), "received 2"),
        ((PIXELS, np.array([0, 1])), r"received array\(\[0, 1\]\)"),
        ((None, 0), "the image of item 17 of its val split must be a PIL image or uint8 .*, received NoneType"),
        (("file.png", 0), "received str"),
        ((np.zeros(8, np.uint8), 0), r"received ndarray \(8,\)"),
    ],
)
def test_what_an_item_must_be(item, clause):
    with pytest.raises(BrokenDatasetError, match=f"data set 'mine' breaks the contract: .*{clause}"):
        read_item({17: item}, 17, PLACE)


@pytest.mark.parametrize("item", [(PIXELS, 1), [PIXELS[..., 0], 1.0], (Image.new("RGB", (3, 2)), np.int64(1))])
def test_items_that_keep_the_contract_are_given_with_a_whole_label(item):
    image, label = read_item({17: item}, 17, PLACE)
    assert image is item[0]
    assert type(label) is int
    assert label == 1


class Raising(Data):
    def __getitem__(self, index):
        raise self.error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError("mine"), "item 17 of its val split raises KeyError: 'mine'"),
        (IndexError("out"), "item 17 of its val split raises IndexError: out; its length is 20"),
        (FileNotFoundError(2, "No such file", "x.png"), r"raises FileNotFoundError: .*'x\.png'"),
        (SystemExit(3), "raises SystemExit: 3"),
    ],
)
def test_an_item_that_raises_is_named(error, text):
    with pytest.raises(ItemRaisesError, match=text):
        read_item(Raising(error=error), 17, PLACE)


@pytest.mark.parametrize("error", [ImageError("x.png is damaged"), MemoryError()])
def test_damaged_images_and_full_memory_stay_what_they_are(error):
    with pytest.raises(type(error)):
        read_item(Raising(error=error), 17, PLACE)


SOURCE = """
import os
import numpy as np


class Data:
    classes = ("a", "b")

    def __init__(self, fault, split):
        self.fault, self.split = fault, split

    def __len__(self):
        return 32

    def __getitem__(self, index):
        image, label = np.full((8, 8, 1), index, np.uint8), index % 2
        if index == 17:
            if self.fault == "label": label = "a"
            if self.fault == "mixed": image = np.zeros((8, 8, 4), np.uint8)
            if self.fault == "raises": raise KeyError("mine")
            if self.fault == "crash": os.kill(os.getpid(), 11)
        return image, label


def build(root, split, fault="", broken="train"):
    return Data(fault if split == broken else "", split)
"""

TITLE = "error: data set 'odd' of odd-data 1.0"
TRAIN = (
    "fit",
    "--data",
    "odd",
    "--trainer.max_epochs",
    1,
    "--data.batch_size",
    16,
    "--data.memory_gib",
    0,
    "--run",
    "own",
)


@pytest.fixture
def odd(zoo, install):
    """Run a command on a data set with a fault; return the status and the line of the error."""
    install("odd-data", "[zoo.datasets]\nodd = odd_items:build\n", SOURCE, "odd_items")

    def run(*words):
        status, _, err = zoo(*words)
        lines = [line for line in err.splitlines() if line.startswith("error: ")]
        return status, *lines

    return run


@pytest.mark.parametrize("workers", [0, 1])
def test_fit_names_the_item_of_a_data_set_that_streams(odd, workers):
    train = (*TRAIN, "--data.num_workers", workers)
    clause = "breaks the contract: the label of item 17 of its train split must be 0 to 1, an index of its classes"
    assert odd(*train, "--data.dataset.fault", "label") == (2, f"{TITLE} {clause}, received 'a'")
    clause = "breaks the contract: item 17 of its train split raises KeyError: 'mine'"
    assert odd(*train, "--data.dataset.fault", "raises") == (2, f"{TITLE} {clause}")


def test_check_names_the_item(odd):
    check = ("check", "odd", "--data.num_workers", 1)
    status, line = odd(*check, "--data.dataset.fault", "label")
    assert status == 2
    assert f"{TITLE} breaks the contract: the label of item 17 of its train split" in line
    for fault in ("mixed", "raises"):
        status, line = odd(*check, "--data.dataset.fault", fault)
        assert (status, line.startswith(f"{TITLE} has 1 unreadable and")) == (1, True)


def test_a_process_that_crashes_while_it_reads_is_named_with_its_data_set(odd):
    died = r"a process that reads data set 'odd' of odd-data 1.0 died (process"
    crash = ("--data.dataset.fault", "crash", "--data.num_workers", 1)
    for words in (TRAIN, ("check", "odd")):
        status, line = odd(*words, *crash)
        assert status == 1
        assert died in line
        assert "killed by signal: Segmentation fault" in line


def test_test_names_the_item_and_the_process_that_died(odd):
    assert odd(*TRAIN, "--data.num_workers", 0, "--model.architecture", "lenet5") == (0,)
    test = ("test", "runs/own", "--data.num_workers", 1, "--data.dataset.broken", "test", "--data.dataset.fault")
    status, line = odd(*test, "label")
    assert status == 2
    assert f"{TITLE} breaks the contract: the label of item 17 of its test split" in line
    status, line = odd(*test, "crash")
    assert status == 1
    assert "died (process" in line
