"""A run of a folder records its split; test, validate and resume use it, and name what has changed since."""

from __future__ import annotations

import csv
import json
import shutil

import pytest
import yaml
from PIL import Image
from support import FIT_PHOTOS, error_of, write_photos


@pytest.fixture
def run(zoo, tmp_path, photos):
    status, _, err = zoo("fit", *FIT_PHOTOS, "--data.root", photos, "--run", "first")
    assert status == 0, err
    return tmp_path / "runs" / "first"


def rows(run):
    with (run / "split.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def images(run, split):
    return [row["path"] for row in rows(run) if row["split"] == split]


def test_split_csv_has_path_class_split_size_and_digest(run, photos):
    table = rows(run)
    assert sorted(row["path"] for row in table) == sorted(str(p.relative_to(photos)) for p in photos.glob("*/*.png"))
    for row in table:
        assert row["class"] == row["path"].split("/")[0]
        assert int(row["size"]) == (photos / row["path"]).stat().st_size
        assert len(row["digest"]) == 32
    assert {row["split"] for row in table} == {"train", "val", "test"}


def test_a_test_uses_the_recorded_images_and_names_what_has_changed(zoo, run, photos):
    before = images(run, "test")
    (photos / before[0]).unlink()
    shutil.copy(photos / "ant" / "1.png", photos / "ant" / "new one.png")
    status, _, err = zoo("test", run)
    assert status == 0, err
    assert f"warning: no longer in the data: 1 image of {run / 'split.csv'}: {before[0]}" in err
    assert f"warning: left out: 1 image that {run / 'split.csv'} does not list: ant/new one.png" in err
    assert json.loads((run / "results.json").read_text())["images"] == len(before) - 1


def test_a_resumed_run_trains_on_with_its_split(zoo, run, photos):
    before = (run / "split.csv").read_bytes()
    shutil.copy(photos / "ant" / "1.png", photos / "ant" / "new one.png")
    status, _, err = zoo("fit", run, "--trainer.max_epochs", 2)
    assert status == 0, err
    counts = [f"{len(images(run, split))} {split}" for split in ("train", "val", "test")]
    assert f"{counts[0]}, {counts[1]} and {counts[2]} images" in err
    assert "does not list: ant/new one.png" in err
    assert (run / "split.csv").read_bytes() == before


def test_another_split_is_refused_for_a_run(zoo, run):
    line = error_of(zoo("test", run, "--data.split_seed", 7))
    assert f"has its split in {run / 'split.csv'}, received data.split_seed 7; leave it out" in line


def test_a_split_of_another_run_is_used_again(zoo, run, photos, tmp_path):
    status, _, err = zoo("fit", *FIT_PHOTOS, "--data.root", photos, "--data.split", "runs/first", "--run", "second")
    assert status == 0, err
    assert sorted(rows(tmp_path / "runs" / "second"), key=str) == sorted(rows(run), key=str)
    assert f"split by      {run / 'split.csv'}\n" in err


def test_a_new_run_with_the_split_of_another_names_what_has_changed_in_every_split(zoo, run, photos, tmp_path):
    changed = [images(run, split)[0] for split in ("train", "val", "test")]
    for number, name in enumerate(changed):
        Image.new("RGB", (32, 32), (number, 0, 0)).save(photos / name)
    _, _, err = zoo("fit", *FIT_PHOTOS, "--data.root", photos, "--data.split", run)
    [line] = [line for line in err.splitlines() if "changed since" in line]
    assert "3 images" in line
    assert all(name in line for name in changed)


@pytest.mark.parametrize("option", ["--monitor=val/f1", "--optimizer.lr=1", "--model.freeze=1", "--logger=mlflow"])
@pytest.mark.parametrize("command", ["test", "validate", "report", "export"])
def test_options_that_only_training_follows_are_refused_for_a_run(zoo, digits_run, command, option):
    name = option.partition("=")[0]
    assert f"{name} says how to train, and 'zoo {command}' takes run" in error_of(zoo(command, digits_run, option))


def test_a_validation_counts_the_images_that_can_be_read(zoo, run, photos):
    (photos / images(run, "val")[0]).write_bytes(b"no picture")
    count = len(images(run, "val")) - 1
    _, out, err = zoo("validate", run, "--data.skip_bad", "true")
    assert f"val split, {count} images" in out, err


def test_the_data_may_move(zoo, run, photos, tmp_path):
    moved = shutil.move(photos, tmp_path / "elsewhere")
    status, _, err = zoo("validate", run, "--data.root", moved)
    assert status == 0, err
    assert "warning" not in err


def test_other_data_is_no_data_of_the_run(zoo, run, tmp_path):
    write_photos(tmp_path / "other", ("ant", "bee", "wasp"), 100, 60)
    for path in (tmp_path / "other").glob("*/*.png"):
        path.rename(path.with_name(f"other {path.name}"))
    assert "none of its 60 images, such as" in error_of(zoo("test", run, "--data.root", tmp_path / "other"))


def test_a_run_without_a_recorded_split_keeps_the_one_drawn_by_count(zoo, run, photos):
    """Versions before split.csv drew a tenth of each class; their config.yaml has no key of the drawing."""
    (run / "split.csv").unlink()
    config = yaml.safe_load((run / "config.yaml").read_text())
    for key in ("test_fraction", "split_seed", "group", "split", "folds", "fold"):
        del config["data"][key]
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    for command, count in (("test", 6), ("validate", 6)):
        status, out, err = zoo(command, run)
        assert status == 0, err
        assert f"{count} images" in out
    assert zoo("fit", run, "--trainer.max_epochs", 2)[0] == 0
    assert yaml.safe_load((run / "config.yaml").read_text())["data"]["split_seed"] is None
    assert not (run / "split.csv").exists()
    assert "6 images" in zoo("test", run)[1]


def test_equal_files_in_two_splits_are_named_before_training(zoo, run, photos):
    train, test = images(run, "train")[0], images(run, "test")[0]
    shutil.copy(photos / train, photos / test)
    status, _, err = zoo("fit", *FIT_PHOTOS, "--data.root", photos)
    assert status == 0, err
    assert "warning: files of equal content in two splits" in err
    assert err.index("warning: files of equal") < err.index("architecture")


def test_arrays_record_no_split(digits_run):
    assert not (digits_run / "split.csv").exists()
