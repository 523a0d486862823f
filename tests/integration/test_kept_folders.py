"""Folders as people keep them go through check, fit, test and predict; every file is in one of the counts."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pillow_heif import from_pillow

import zoo as package
from zoo.core.errors import NoSplitError


def pictures(folder, count, suffix=".png", *, start=0, shade=0, orientation=None):
    """Write different grey-green pictures of 20x16 into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        pixels = np.random.default_rng((number, shade)).integers(0, 80, (16, 20, 3), np.uint8) + np.uint8(shade)
        exif = Image.Exif()
        exif[0x0112] = orientation or 1
        picture, path = Image.fromarray(pixels), folder / f"IMG_{number:04}{suffix}"
        if suffix == ".heic":
            from_pillow(picture).save(path, format="HEIF")
        else:
            picture.save(path, exif=exif.tobytes())


def two_classes(root, suffix=".png", names=("cat", "dog"), count=20, **options):
    for label, name in enumerate(names):
        pictures(root / name, count, suffix, shade=100 * label, start=count * label, **options)


def mixed_case(root):
    two_classes(root, ".JPG")
    pictures(root / "cat", 3, ".Png", start=50)
    pictures(root / "dog", 3, ".JPEG", start=60)


def spaces(root):
    two_classes(root, names=("black cat (old) ", " big dog's & more"), count=40)
    for path in sorted(root.glob("*/*"))[::3]:
        path.rename(path.with_name(f"copy of {path.name}"))


def junk(root):
    two_classes(root)
    for name in ("Thumbs.db", ".DS_Store", "cat/notes.txt", "dog/clip.mov", "dog/.hidden.png", "README", "cat/raw.CR2"):
        (root / name).write_bytes(b"x")
    pictures(root, 2, start=90)
    pictures(root / "__MACOSX" / "cat", 1)


def nested(root):
    for day in ("2024-01-02", "2024-03-04/afternoon"):
        for label, name in enumerate(("cat", "dog")):
            pictures(root / name / day, 10, shade=100 * label, start=10 * label + len(day))


def unicode(root):
    two_classes(root, names=("Kätzchen", "кот"))
    pictures(root / "Kätzchen", 4, start=70)  # the other form of the umlaut: a folder of its own
    for path in sorted(root.glob("кот/*"))[:5]:
        path.rename(path.with_name(f"фото-{path.stem[-2:]}🐱.png"))


def links(root):
    two_classes(root)
    (root / "dog" / "around").symlink_to(root / "dog", target_is_directory=True)
    (root / "dog" / "nothing.txt").symlink_to(root / "gone.txt")


def splits_in_any_case(root):
    for name, count in (("Training", 20), ("valid", 6), ("TEST", 6)):
        two_classes(root / name, count=count)
    (root / "labels.txt").write_text("cat\ndog\n")


def phone(root):
    two_classes(root, ".jpg", orientation=6)
    pictures(root / "cat", 4, ".heic", start=80)
    pictures(root / "dog", 4, ".webp", start=90, shade=100)


def empty_classes(root):
    for name in ("train", "test"):
        two_classes(root / name, count=20)
    (root / "test" / "bird").mkdir()


def outputs_beside(root):
    two_classes(root)
    run = root / "runs" / "folder-lenet5" / "version_0"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("data: {}\n")
    (root / "dog" / "model.onnx").write_bytes(b"x")


KEPT = (mixed_case, spaces, junk, nested, unicode, links, splits_in_any_case, phone, empty_classes, outputs_beside)


def left_out(text):
    """Return how many files the line about what is left out counts."""
    [line] = [line for line in text.splitlines() if line.startswith("left out")] or [""]
    counts = line.partition(": ")[2] if ": " in line else line.removeprefix("left out")
    return sum(int(number.replace(",", "")) for number in re.findall(r"(?:^|, )\s*([\d,]*\d) ", counts))


def images_in_splits(root):
    data = package.ImageDataModule("folder", root=root, image_size=16)
    paths = []
    for split in ("train", "val", "test"):
        try:
            paths += data.paths(split)
        except NoSplitError:
            continue
    return paths


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("keep", KEPT, ids=lambda keep: keep.__name__)
def test_every_file_is_in_one_of_the_counts(keep, zoo, tmp_path):
    root = tmp_path / "photos"
    keep(root)
    files = [path for path in root.rglob("*") if path.is_file() or (path.is_symlink() and not path.is_dir())]
    status, out, err = zoo("check", "folder", "--data.root", root)
    assert status in (0, 1), err  # 1: it has findings
    options = ("--data", "folder", "--data.root", root, "--data.image_size", 16, "--data.batch_size", 8)
    status, out, err = zoo("fit", *options, "--data.num_workers", 0, "--trainer.max_epochs", 1)
    assert status == 0, err
    run = Path(out.splitlines()[-1])
    images = images_in_splits(root)
    assert len(set(images)) == len(images)
    assert len(images) + left_out(err) == len(files), err
    assert zoo("test", run)[0] == 0
    with (run / "predictions.csv").open(newline="", encoding="utf-8") as file:
        tested = [row["path"] for row in csv.DictReader(file)]
    assert {str(root / path) for path in tested} <= set(images)
    status, out, err = zoo("predict", run, root, "--output", "all.csv", "--quiet")
    assert status == 0, err
    with open("all.csv", newline="", encoding="utf-8") as file:
        predicted = [row["file"] for row in csv.DictReader(file)]
    assert set(images) <= set(predicted)
    assert len(predicted) == len(set(predicted))
