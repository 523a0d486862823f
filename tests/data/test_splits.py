"""Splits of folders: added files move no other; groups, lists, folds and runs decide the split."""

from __future__ import annotations

import os
import random
import shutil

import numpy as np
import pytest
from PIL import Image

from zoo.core.errors import NoSplitError, UserError
from zoo.data.image_data import ImageData
from zoo.data.split_file import write_split

SPLITS = ("train", "val", "test")


@pytest.fixture
def flat(tmp_path):
    """A flat folder of 200 images of two classes; 10 of each patient."""
    root = tmp_path / "flat"
    for number in range(200):
        add(root / ("ant", "bee")[number % 2] / f"patient{number // 10}_{number}.png", number)
    return root


def add(path, number):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (number % 256, number // 256, 7)).save(path)


def data(root, **options):
    return ImageData("folder", root, num_workers=0, **options)


def split_of_files(root, **options):
    opened = data(root, **options)
    return {os.path.relpath(path, root): split for split in SPLITS if opened.has(split) for path in opened.paths(split)}


@pytest.mark.parametrize("count", [1, 7, 50])
def test_files_that_are_added_or_removed_move_no_other(flat, count):
    before = split_of_files(flat)
    assert len(before) == 200
    for number in range(count):
        add(flat / "ant" / f"a new one {number}.png", 300 + number)
    after = split_of_files(flat)
    assert len(after) == 200 + count
    assert before.items() <= after.items()
    for path in random.Random(count).sample(sorted(before), count):
        (flat / path).unlink()
    left = split_of_files(flat)
    assert len(left) == 200
    assert left.items() <= after.items()


def test_a_flat_folder_has_a_tenth_for_val_and_a_tenth_for_test(flat):
    counts = [list(split_of_files(flat).values()).count(split) for split in SPLITS]
    assert counts == pytest.approx([160, 20, 20], abs=12)


def test_fractions_and_seed_hold_for_a_flat_folder(flat):
    counts = [list(split_of_files(flat, val_fraction=0.2, test_fraction=0.3).values()).count(split) for split in SPLITS]
    assert counts == pytest.approx([100, 40, 60], abs=20)
    assert split_of_files(flat, split_seed=1) != split_of_files(flat, split_seed=2)
    with pytest.raises(NoSplitError, match="no test split"):
        data(flat, test_fraction=0).source("test")


def test_a_test_split_is_drawn_from_train_where_a_fraction_asks_for_it(tmp_path, flat):
    os.renames(flat, tmp_path / "root" / "train")
    root = tmp_path / "root"
    assert not data(root).has("test")
    drawn = split_of_files(root, test_fraction=0.2)
    assert list(drawn.values()).count("test") == pytest.approx(40, abs=15)


def test_a_group_stays_together(flat):
    drawn = split_of_files(flat, group=r"patient(\d+)_", test_fraction=0.3, val_fraction=0.3)
    assert set(drawn.values()) == set(SPLITS)
    patients = {}
    for path, split in drawn.items():
        patients.setdefault(path.split("patient")[1].split("_")[0], set()).add(split)
    assert len(patients) == 20
    assert {len(splits) for splits in patients.values()} == {1}


def test_the_group_of_alternatives_is_the_one_that_matches(flat):
    one = split_of_files(flat, group=r"patient(\d+)_", test_fraction=0.3, val_fraction=0.3)
    assert (
        split_of_files(flat, group=r"ant/patient(\d+)_|bee/patient(\d+)_", test_fraction=0.3, val_fraction=0.3) == one
    )


@pytest.mark.parametrize(
    ("options", "note"),
    [
        (
            {"test_fraction": 0.2},
            "data.test_fraction is 0.2, but the data has a test split of 200 images, which is used",
        ),
        ({"folds": 3, "fold": 1}, "the 200 images of the test split are not used: folds are drawn from the training"),
    ],
)
def test_a_test_split_and_an_option_that_contradict_are_named(tmp_path, flat, options, note):
    shutil.copytree(flat, tmp_path / "root" / "train")
    os.renames(flat, tmp_path / "root" / "test")
    opened = data(tmp_path / "root", **options)
    opened.paths("train")
    assert sum(note in line for line in opened.splits.notes) == 1


def test_a_group_has_no_effect_where_no_split_is_drawn_and_that_is_said(tmp_path, flat):
    for split in SPLITS:
        shutil.copytree(flat, tmp_path / "root" / split)
    opened = data(tmp_path / "root", group=r"(patient\d+)")
    opened.paths("train")
    note = "data.group is '(patient\\d+)', but no split is drawn: the data has its own train, val and test"
    assert sum(note in line for line in opened.splits.notes) == 1


def test_a_group_may_be_a_column_of_the_data_set(install):
    install("columned", "[zoo.datasets]\ncolumned = columned:build", COLUMNED, "columned")
    drawn = ImageData(
        "columned", "/data", group="camera", split_seed=4, val_fraction=0.3, test_fraction=0.3
    ).splits.parts
    assert set(drawn) == set(SPLITS)
    cameras = [{item // 20 for item in part.tolist()} for part in drawn.values()]
    assert sum(map(len, cameras)) == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": "camera(.)"}, r"matches no part of 200 of 200 paths: ant/patient0_0\.png, .* and 188 more"),
        ({"group": "(a"}, r"data\.group is '\(a', which is no regular expression"),
        ({"group": "a|b"}, r"has 200 images in 2 groups by 'a\|b', too few"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "together they must be less than 1"),
        ({"test_fraction": 1.0}, r"data\.test_fraction is 1\.0; allowed is 0 to less than 1"),
        ({"fold": 2}, r"data\.fold is 2, but of how many\? Add --data\.folds N"),
        ({"folds": 5}, r"--data\.fold N, from 1 to 5, trains one; zoo fit --folds 5 trains all"),
        ({"folds": 5, "fold": 6}, r"data\.fold is 6; allowed is 1 to 5"),
        ({"folds": 5, "fold": 1, "test_fraction": 0.2}, "leave one of them out"),
        ({"split": "nowhere"}, r"data\.split is 'nowhere', which does not exist; allowed are"),
    ],
)
def test_what_contradicts_is_an_error(flat, options, message):
    with pytest.raises(UserError, match=message):
        data(flat, **options).source("train")


def test_files_are_needed_for_groups_and_lists():
    with pytest.raises(UserError, match="data set 'digits' has no files"):
        ImageData("digits", group="a").source("train")


def test_an_array_draws_by_count_and_its_seed_decides():
    first, second = (ImageData("digits", split_seed=seed).source("val").rows for seed in (1998, 1999))
    assert len(first) == len(second) == 143
    assert first.tolist() != second.tolist()


def test_a_class_that_a_split_lacks_is_named_with_a_seed_that_helps(flat):
    for number in range(3):
        add(flat / "wasp" / f"{number}.png", 300 + number)
    opened = data(flat)
    opened.source("train")
    [note] = opened.splits.notes
    assert "val has no image of wasp: add images of it, or choose larger fractions; with --data.split_seed" in note
    better = data(flat, split_seed=int(note.split("--data.split_seed ")[1].split()[0]))
    better.source("train")
    assert better.splits.notes == []


@pytest.mark.parametrize("folds", [3, 5])
def test_folds_test_every_image_exactly_once(flat, folds):
    tested = []
    for fold in range(1, folds + 1):
        drawn = split_of_files(flat, folds=folds, fold=fold)
        assert len(drawn) == 200
        assert set(drawn.values()) == set(SPLITS)
        tested += [path for path, split in drawn.items() if split == "test"]
    assert len(tested) == len(set(tested)) == 200


def test_folds_are_drawn_from_train_and_leave_a_val_split_as_it_is(tmp_path, flat):
    os.renames(flat, tmp_path / "root" / "train")
    root = tmp_path / "root"
    for name in ("ant", "bee"):
        add(root / "val" / name / "1.png", 1)
        add(root / "test" / name / "1.png", 2)
    drawn = split_of_files(root, folds=2, fold=1)
    assert [path for path, split in drawn.items() if split == "val"] == ["val/ant/1.png", "val/bee/1.png"]
    assert not any(path.startswith("test") for path in drawn)
    assert list(drawn.values()).count("test") == pytest.approx(100, abs=25)


def test_a_table_says_which_image_is_in_which_split(tmp_path, flat):
    table = tmp_path / "mine.csv"
    paths = sorted(split_of_files(flat))
    table.write_text(
        "\n".join(["Path;Split", *(f"{path};{('Training', 'dev')[n % 2]}" for n, path in enumerate(paths))])
    )
    drawn = split_of_files(flat, split=str(table))
    assert {split: sorted(path for path in drawn if drawn[path] == split) for split in set(drawn.values())} == {
        "train": paths[::2],
        "val": paths[1::2],
    }


def test_lists_of_files_say_which_image_is_in_which_split_and_val_is_drawn(tmp_path, flat):
    paths = sorted(split_of_files(flat))
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "train.txt").write_text("\n".join(paths[:150]) + "\n\n")
    (tmp_path / "lists" / "test.txt").write_text("\r\n".join(paths[150:190]))
    opened = data(flat, split=str(tmp_path / "lists"))
    drawn = split_of_files(flat, split=str(tmp_path / "lists"))
    assert sorted(path for path, split in drawn.items() if split == "test") == paths[150:190]
    assert sorted(path for path, split in drawn.items() if split != "test") == paths[:150]
    assert list(drawn.values()).count("val") == pytest.approx(15, abs=12)
    opened.source("train")
    [note] = opened.splits.notes
    assert note.startswith("warning: left out: 10 images that ")
    assert paths[190] in note


def test_a_table_of_folds_says_which_fold_tests_an_image(tmp_path, flat):
    paths = sorted(split_of_files(flat))
    table = tmp_path / "folds.tsv"
    table.write_text("\n".join(["path\tfold", *(f"{path}\t{n % 3}" for n, path in enumerate(paths))]))
    tested = []
    for fold in (1, 2, 3):
        drawn = split_of_files(flat, split=str(table), folds=3, fold=fold)
        tested.append(sorted(path for path, split in drawn.items() if split == "test"))
        assert "val" in drawn.values()
    assert tested == [paths[0::3], paths[1::3], paths[2::3]]
    with pytest.raises(UserError, match=r"folds\.tsv has 3 folds, but data\.folds is not given"):
        data(flat, split=str(table)).source("train")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,split\nant/x.png,train\n", r"none of its 1 images, such as ant/x\.png, is in the training images"),
        ("path,split\nant/x.png,holdout\n", r"the split of ant/x\.png is 'holdout'; allowed are train, val, test"),
        ("file,split\nant/x.png,train\n", "its columns are file, split; needed are path and split"),
        ("path,split\na.png,train\na.png,test\n", r"a\.png is in train and in test; an image has one split"),
        ("path,split\n", "has no row"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path, flat, content, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(UserError, match=message):
        data(flat, split=str(tmp_path / "t.csv")).source("train")


def test_a_recorded_split_is_used_again_and_what_differs_is_named(tmp_path, flat):
    first = data(flat)
    (tmp_path / "run").mkdir()
    write_split(tmp_path / "run" / "split.csv", first.splits.recorded())
    before = split_of_files(flat)
    vanished, resized, repainted = sorted(path for path, split in before.items() if split == "test")[:3]
    (flat / vanished).unlink()
    Image.new("RGB", (9, 9)).save(flat / resized, compress_level=0)
    size = (flat / repainted).stat().st_size
    (flat / repainted).write_bytes(bytes(size))
    add(flat / "ant" / "late.png", 1)
    again = data(flat, split=str(tmp_path / "run"), split_seed=5)
    after = {os.path.relpath(path, flat): split for split in SPLITS for path in again.splits.paths(split)}
    del before[vanished]
    assert after == before
    name = str(tmp_path / "run" / "split.csv")
    assert again.splits.notes == [
        f"warning: no longer in the data: 1 image of {name}: {vanished}",
        f"warning: left out: 1 image that {name} does not list: ant/late.png",
    ]
    assert again.splits.changes(["test"]) == [
        f"warning: changed since {name} was written: 2 images: {', '.join(sorted([resized, repainted]))}"
    ]


def test_file_names_of_any_kind_come_back_from_a_recorded_split(tmp_path, flat):
    for name in ('bée\nx, "y".png', os.fsdecode(b"not utf-8 \xff.png"), "tab\t.png", " blank.png"):
        add(flat / "ant" / name, 1)
    write_split(tmp_path / "split.csv", data(flat).splits.recorded())
    assert split_of_files(flat, split=str(tmp_path / "split.csv")) == split_of_files(flat)


def test_files_of_equal_content_in_two_splits_are_named(flat):
    drawn = split_of_files(flat)
    assert data(flat).splits.equal_files() == []
    one, other = (next(path for path in sorted(drawn) if drawn[path] == split) for split in ("train", "test"))
    (flat / other).write_bytes((flat / one).read_bytes())
    [note] = data(flat).splits.equal_files()
    assert note.startswith("warning: files of equal content in two splits")
    assert f"too good: {one} (train) = {other} (test); remove one of each" in note


def test_a_flat_folder_is_drawn_by_count_without_a_seed(flat):
    opened = data(flat, split_seed=None, val_fraction=0.4)
    labels = opened.opened("train").labels
    counts = [np.bincount(labels[part]).tolist() for part in opened.splits.parts.values()]
    assert counts == [[80, 80], [10, 10], [10, 10]]


#: A data set of 200 images without files of its own, 20 of each camera.
COLUMNED = """
import numpy as np
from PIL import Image
from zoo import NoSplitError

class Columned:
    classes, unsplit, labels = ["a", "b"], True, np.arange(200) % 2

    def __len__(self):
        return 200

    def __getitem__(self, index):
        return Image.new("RGB", (8, 8)), int(self.labels[index])

    def path(self, index):
        return f"/data/{index}.png"

    def column(self, name):
        return [index // 20 for index in range(200)] if name == "camera" else None

def build(root, split):
    if split != "train":
        raise NoSplitError(split)
    return Columned()
"""
