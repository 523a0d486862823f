"""Data that grew: --data.split RUN --model.weights RUN trains on new images, and compares on the old test images."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from support import FIT_PHOTOS, error_of

GROWN = (*FIT_PHOTOS, "--data.root", "photos", "--data.split", "runs/old", "--model.weights", "runs/old")


@pytest.fixture
def old(zoo, tmp_path, photos):
    """A run on 60 photographs, of which some are test images; then 30 photographs are added."""
    status, _, err = zoo("fit", *FIT_PHOTOS, "--data.root", photos, "--run", "old")
    assert status == 0, err
    random = np.random.default_rng(1)
    for folder in sorted(path for path in photos.iterdir() if path.is_dir()):
        for number in range(10):
            pixels = random.integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"new{number}.png")
    return tmp_path / "runs" / "old"


def splits(run):
    """Return the images of each split."""
    with (run / "split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {split: {row["path"] for row in rows if row["split"] == split} for split in ("train", "val", "test")}


def test_new_images_are_trained_on_and_the_old_test_images_compare_both_runs(zoo, old, tmp_path):
    status, _, err = zoo("fit", *GROWN, "--run", "new")
    assert status == 0, err
    before, after = splits(old), splits(tmp_path / "runs" / "new")
    assert after["test"] == before["test"]
    assert sum(map(len, after.values())) == sum(map(len, before.values())) + 30
    assert before["train"] < after["train"]
    assert before["val"] <= after["val"]
    assert "its test images stay test" in err
    assert "left out" not in err
    compared = json.loads((tmp_path / "runs" / "new" / "results.json").read_text())["compared_with"]
    assert compared["images"] == len(before["test"])
    shares = f"{compared['old_accuracy']:.1%} before, {compared['new_accuracy']:.1%} now"
    assert f"{shares}; {compared['images']} test images" in err

    status, _, err = zoo("test", "runs/new")  # it has its own split, in which nothing is new
    assert (status, "left out" in err) == (0, False)
    assert "is finished" in zoo("fit", "runs/new")[2]


def test_without_the_weights_of_the_run_new_images_are_left_out(zoo, old, tmp_path):
    status, _, err = zoo("fit", *GROWN[:-2], "--run", "new")
    assert status == 0, err
    assert "left out: 30 images that" in err
    assert splits(tmp_path / "runs" / "new") == splits(old)
    assert "before," not in err


def test_new_images_may_be_left_out_all_the_same(zoo, old, tmp_path):
    status, _, err = zoo("fit", *GROWN, "--data.new_images", "leave_out", "--run", "new")
    assert status == 0, err
    assert splits(tmp_path / "runs" / "new") == splits(old)


def test_copies_of_test_images_are_not_trained_on_and_moved_ones_stay_test(zoo, old, photos, tmp_path):
    first, second, *_ = sorted(splits(old)["test"])
    shutil.copy(photos / first, (photos / first).with_name("copy.png"))
    (photos / second).rename((photos / second).with_name("moved.png"))
    status, _, err = zoo("fit", *GROWN, "--run", "new")
    assert status == 0, err
    after = splits(tmp_path / "runs" / "new")
    folders = [path.rpartition("/")[0] for path in (first, second)]
    assert f"{folders[0]}/copy.png" not in set.union(*after.values())
    assert after["test"] == splits(old)["test"] - {second} | {f"{folders[1]}/moved.png"}
    assert f"{len(after['test']) - 1} test images" in err


def test_new_images_need_a_split_to_be_new_to(zoo, old):
    line = error_of(zoo("fit", *FIT_PHOTOS, "--data.root", "photos", "--data.new_images", "train"))
    assert "data.new_images is train, but data.split names no split that could lack images" in line
