"""zoo check: what it finds in folders with known faults, what it leaves alone, how it ends."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def scene(seed, size=(120, 90)):
    """A picture of smooth spots, another for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def photos(tmp_path):
    """12 images of ants and 12 of bees to train on, 6 of each to validate, all different."""
    for split, count in (("train", 12), ("val", 6)):
        for name in ("ants", "bees"):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                scene((len(split), len(name), ord(name[0]), number)).save(folder / f"{number:02}.png")
    return tmp_path / "photos"


@pytest.fixture
def check(zoo, tmp_path, photos):
    """Check the photos; return the exit status, what is printed and the findings as (kind, files, what)."""

    def run(*words):
        options = ("--data.root", photos, "--data.num_workers", 0, "--output", "found.json")
        status, out, err = zoo("check", "folder", *options, *words)
        content = json.loads((tmp_path / "found.json").read_text())
        found = [
            (
                finding["kind"],
                [str(Path(image["file"]).relative_to(photos)) for image in finding["images"]],
                finding["what"],
            )
            for finding in content["findings"]
        ]
        return status, out + err, found

    return run


def test_nothing_is_found_where_nothing_is_wrong(check):
    status, text, found = check()
    assert (status, found) == (0, [])
    assert "nothing found" in text
    assert "has train/ but no test/" in text


def test_the_augmentation_is_drawn_in_place_of_checking(zoo, photos, tmp_path):
    words = ("check", "folder", "--data.root", photos, "--data.num_workers", 0, "--augmentation", "views.png")
    status, out, err = zoo(*words, "--data.augmentation", "[random_resized_crop, rotate]", "--data.image_size", 32)
    assert (status, out, err) == (0, "views.png\n", "")
    with Image.open(tmp_path / "views.png") as picture:
        assert picture.width > 900
        assert len(picture.convert("RGB").getcolors(2**24)) > 1000
    status, _, err = zoo(*words[:-1], "views.jpg")
    assert status == 2
    assert "--augmentation is 'views.jpg'; allowed are names that end in .png, .svg, .pdf" in err
    status, _, err = zoo(*words, "--data.augmentation", "rotat")
    assert status == 2
    assert "did you mean 'rotate'?" in err


def test_digits_are_clean_and_said_to_have_no_val_split(zoo):
    status, out, err = zoo("check", "digits")
    assert (status, err) == (0, "")
    assert "no val split; fit takes it from train" in out
    assert all(line.isprintable() for line in out.splitlines())


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_file_is_named_and_does_not_stop_the_check(check, photos, workers):
    path = photos / "train" / "ants" / "03.png"
    path.write_bytes(path.read_bytes()[:200])
    (photos / "val" / "bees" / "text.jpg").write_text("no image")
    status, text, found = check("--data.num_workers", workers)
    assert status == 1
    assert [(kind, files) for kind, files, _ in found] == [
        ("unreadable", ["train/ants/03.png"]),
        ("unreadable", ["val/bees/text.jpg"]),
    ]
    assert f"unreadable: {path}: not a readable image" in text
    assert "error: folder has 2 unreadable and 0 leaking pictures" in text


def test_where_no_image_can_be_read_the_check_ends_all_the_same(check, photos):
    for path in photos.rglob("*.png"):
        path.write_bytes(b"")
    shutil.rmtree(photos / "val" / "ants")
    (photos / "val" / "ants").mkdir()
    for path in (photos / "val" / "bees").iterdir():
        path.unlink()
    status, _, found = check()
    assert status == 1
    assert [kind for kind, _, _ in found] == ["unreadable"] * 24 + ["empty class"] * 2


def test_a_training_image_in_val_is_a_leak(check, photos):
    shutil.copy(photos / "train" / "ants" / "03.png", photos / "val" / "ants" / "copy.png")
    status, text, found = check()
    assert status == 1
    assert found == [("leak", ["train/ants/03.png", "val/ants/copy.png"], "same pixels, in train and val")]
    assert "0 unreadable and 1 leaking" in text


@pytest.mark.parametrize(("quality", "size"), [(40, (120, 90)), (80, (70, 60))])
def test_a_training_image_in_val_in_other_pixels_is_a_leak(check, photos, quality, size):
    with Image.open(photos / "train" / "bees" / "05.png") as image:
        image.resize(size).save(photos / "val" / "bees" / "copy.jpg", quality=quality)
    status, _, found = check()
    [(files, what)] = [(files, what) for kind, files, what in found if kind == "leak"]
    assert (status, files) == (1, ["train/bees/05.png", "val/bees/copy.jpg"])
    assert what.startswith("nearly the same")
    assert {kind for kind, _, _ in found} <= {"leak", "size"}


def test_a_copy_within_a_split_is_no_fault_of_the_run(check, photos):
    shutil.copy(photos / "train" / "ants" / "03.png", photos / "train" / "ants" / "copy.png")
    status, _, found = check()
    assert status == 0
    assert found == [("duplicates", ["train/ants/03.png", "train/ants/copy.png"], "same pixels, in train")]


def test_a_picture_under_two_classes_is_a_label_to_look_at(check, photos):
    with Image.open(photos / "train" / "ants" / "03.png") as image:
        image.save(photos / "train" / "bees" / "wrong.jpg", quality=80)
    _, _, found = check()
    files = ["train/ants/03.png", "train/bees/wrong.jpg"]
    assert [(kind, paths) for kind, paths, _ in found] == [("two classes", files), ("duplicates", files)]
    assert "as ants and bees" in found[0][2]


def test_an_empty_class_folder_is_found(check, photos):
    (photos / "train" / "wasps").mkdir()
    (photos / "val" / "wasps").mkdir()
    status, _, found = check()
    assert status == 0
    assert [what for kind, _, what in found if kind == "empty class"] == [
        "train has no image of wasps",
        "val has no image of wasps",
    ]


def test_classes_that_val_has_not_are_found(check, photos):
    (photos / "train" / "wasps").mkdir()
    scene(1).save(photos / "train" / "wasps" / "0.png")
    shutil.move(photos / "val" / "bees", photos / "val" / "flies")
    _, text, found = check()
    assert [(kind, what) for kind, _, what in found if kind == "classes differ"] == [
        ("classes differ", "val: not in train: flies; missing: bees, wasps")
    ]
    assert "val: not in train: flies" in text


def test_a_class_of_few_images_is_an_imbalance(check, photos):
    for path in sorted((photos / "train" / "bees").iterdir())[2:]:
        path.unlink()
    _, _, found = check()
    assert found == [
        ("imbalance", [], "train: 12 of ants, 2 of bees; always answering ants is right in 85.7%"),
    ]


def test_other_modes_and_sizes_are_found(check, photos):
    scene(1).convert("CMYK").save(photos / "train" / "ants" / "print.jpg")
    scene(2).convert("P").save(photos / "train" / "ants" / "palette.png")
    scene(3).convert("RGBA").save(photos / "val" / "ants" / "alpha.png")
    Image.fromarray(np.asarray(scene(4).convert("L")).astype(np.uint16) * 257).save(photos / "val" / "ants" / "16.png")
    scene(5, (600, 20)).save(photos / "val" / "bees" / "long.png")
    status, _, found = check()
    assert status == 0
    assert {(what.partition(",")[0], *files) for kind, files, what in found if kind == "mode"} == {
        ("CMYK", "train/ants/print.jpg"),
        ("P", "train/ants/palette.png"),
        ("RGBA", "val/ants/alpha.png"),
        ("I;16", "val/ants/16.png"),
    }
    assert [(files, what) for kind, files, what in found if kind == "size"] == [
        (["val/bees/long.png"], "not 120x90 as nearly all")
    ]


def test_sizes_far_from_the_median_are_found(check, photos):
    for number, path in enumerate(sorted(photos.rglob("*.png"))):
        scene(number, (100 + number, 90)).save(path)
    scene(50, (16, 16)).save(photos / "train" / "ants" / "icon.png")
    scene(51, (900, 800)).save(photos / "train" / "ants" / "large.png")
    scene(52, (700, 30)).save(photos / "train" / "ants" / "long.png")
    _, _, found = check()
    assert [files for kind, files, _ in found if kind == "size"] == [
        ["train/ants/icon.png"],
        ["train/ants/large.png"],
        ["train/ants/long.png"],
    ]


def test_an_image_of_one_colour_is_found(check, photos):
    Image.new("RGB", (120, 90), "black").save(photos / "train" / "ants" / "black.png")
    assert [(kind, files) for kind, files, _ in check()[2]] == [("one colour", ["train/ants/black.png"])]


def test_a_file_named_after_another_class_is_found_where_names_follow_classes(check, photos):
    for path in sorted(photos.rglob("*.png")):
        path.rename(path.with_name(f"{path.parent.name}_{path.name}"))
    (photos / "train" / "ants" / "ants_03.png").rename(photos / "train" / "ants" / "bees_99.png")
    assert check()[2] == [("file name", ["train/ants/bees_99.png"], "named after bees, but under ants")]


def test_names_say_nothing_where_they_do_not_follow_classes(check, photos):
    (photos / "train" / "ants" / "03.png").rename(photos / "train" / "ants" / "bees_99.png")
    assert check()[2] == []


def test_class_folders_alone_are_checked_as_they_are_split(zoo, tmp_path):
    for name in ("ants", "bees"):
        (tmp_path / name).mkdir()
        for number in range(20):
            scene((ord(name[0]), number)).save(tmp_path / name / f"{number:02}.png")
    (tmp_path / "wasps").mkdir()
    for path in sorted((tmp_path / "ants").iterdir()):
        shutil.copy(path, path.with_name(f"copy{path.name}"))
    status, out, err = zoo("check", "folder", "--data.root", tmp_path, "--data.num_workers", 0)
    assert status == 1
    assert f"same pixels, in train and test: {tmp_path}/ants" in out
    assert "train has no image of wasps" in out
    assert "leaking" in err


def test_names_that_move_the_cursor_are_shown_as_escapes(check, photos):
    (photos / "train" / "ants" / "03.png").rename(photos / "train" / "ants" / "a\n\x1b[31m.png")
    shutil.copy(photos / "train" / "ants" / "a\n\x1b[31m.png", photos / "train" / "ants" / "copy.png")
    _, text, _ = check()
    assert "a\\n\\x1b[31m.png" in text
    assert "\x1b" not in text


def test_items_of_a_plugin_that_cannot_be_read_are_found_by_their_number(zoo, install):
    install(
        "odd",
        "[zoo.datasets]\nodd = odd_data:odd\n",
        "class Odd:\n"
        "    classes = ['a', 'b']\n"
        "    def __len__(self): return 4\n"
        "    def __getitem__(self, index):\n"
        "        if index == 2: raise OSError('the disk is tired')\n"
        "        return __import__('numpy').arange(64, dtype='uint8').reshape(8, 8, 1) * (index + 1), index % 2\n"
        "def odd(root, split, count: int = 4): return Odd()\n",
        "odd_data",
    )
    status, out, _ = zoo("check", "odd", "--data.num_workers", 0)
    assert status == 1
    assert "unreadable: the disk is tired: train 2" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cifra10",), "did you mean 'cifar10'?"),
        (("digits", "--output", "found.txt"), "--output is 'found.txt'; allowed are names that end in .json"),
        (("digits", "--output", "no/found.json"), "there is no folder no; make it first"),
        (("digits", "--data.rot", "x"), "unknown option --data.rot"),
        (("digits", "--data", "mnist"), "leave --data and --model out"),
        (("folder", "--data.root", "nowhere"), "nowhere is not a folder"),
        (("folder", "--data.dataset.channels", "two"), "received 'two'"),
    ],
)
def test_a_wrong_word_is_an_error_before_anything_is_read(zoo, words, message):
    status, out, err = zoo("check", *words)
    assert (status, out) == (2, "")
    assert message in err


def test_the_placeholder_among_the_photographs_is_found(zoo, real_data):
    status, out, _ = zoo("check", "folder", "--data.root", real_data / "hymenoptera", "--data.num_workers", 0)
    assert status == 0
    assert "imageNotFound.gif" in out


def test_planted_faults_among_photographs_are_found(zoo, real_data, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(real_data / "hymenoptera", root)
    chosen = sorted((root / "train" / "ants").glob("*.jpg"))[:30]
    for number, path in enumerate(chosen):
        with Image.open(path) as image:
            small = image.resize((image.width * 2 // 3, image.height * 2 // 3))
            small.save(root / "val" / "ants" / f"planted{number}.jpg", quality=60)
    status, _, _ = zoo("check", "folder", "--data.root", root, "--data.num_workers", 0, "--output", "found.json")
    assert status == 1
    findings = json.loads((tmp_path / "found.json").read_text())["findings"]
    leaks = [[Path(image["file"]).name for image in each["images"]] for each in findings if each["kind"] == "leak"]
    assert sorted(leaks) == sorted([path.name, f"planted{number}.jpg"] for number, path in enumerate(chosen))


@pytest.mark.parametrize(
    "words", [(), ("--data.val_fraction", 0.3, "--data.group", r"/\w*(\d)\."), ("--data.split_seed", 5)]
)
def test_the_splits_are_those_that_fit_draws(zoo, photos, tmp_path, words):
    shutil.rmtree(photos / "val")
    words = ("--data.root", photos, "--data.num_workers", 0, *words)
    zoo("check", "folder", *words, "--output", "found.json")
    checked = json.loads((tmp_path / "found.json").read_text())["splits"]
    size = ("--data.image_size", 32, "--data.batch_size", 4, "--trainer.max_epochs", 1)
    assert zoo("fit", "--model", "lenet5", "--data", "folder", *words, *size, "--run", "run")[0] == 0
    rows = list(csv.DictReader((tmp_path / "runs" / "run" / "split.csv").open()))
    drawn = Counter(row["split"] for row in rows)
    assert {split: content["images"] for split, content in checked.items()} == drawn
    assert set(drawn) == {"train", "val"}


def test_images_that_no_split_can_be_drawn_from_are_read_all_the_same(zoo, photos):
    shutil.rmtree(photos / "val")
    for path in sorted(photos.glob("train/*/*.png"))[2:]:
        path.unlink()
    status, out, _ = zoo("check", "folder", "--data.root", photos)
    assert status == 0
    assert "zoo fit would stop: data set 'folder' has 2 images, too few" in out


def test_a_wrong_option_of_splits_is_an_error_before_anything_is_read(zoo, photos):
    shutil.rmtree(photos / "val")
    status, out, err = zoo("check", "folder", "--data.root", photos, "--data.group", "(")
    assert (status, out) == (2, "")
    assert "data.group is '(', which is no regular expression" in err
