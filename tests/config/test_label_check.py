"""zoo check --labels: planted wrong labels come first, the table is read back, and nothing trained on is ranked."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
from PIL import Image
from support import error_of

from zoo.cli import main

CLASSES = ("dark", "light")

#: Images in the folder of another class than they show, by split.
PLANTED = {"val/dark/0.png", "test/light/3.png", "test/dark/5.png", "train/dark/7.png"}


def write_images(root, splits):
    """Write 20 dark and 20 light images for each split, those of PLANTED in the other class's folder."""
    random = np.random.default_rng(0)
    for split in splits:
        for label, name in enumerate(CLASSES):
            (root / split / name).mkdir(parents=True)
            for number in range(20):
                shown = label != (f"{split}/{name}/{number}.png" in PLANTED)
                pixels = random.integers(0, 100, (16, 16, 3), np.uint8) + np.uint8(150 * shown)
                Image.fromarray(pixels).save(root / split / name / f"{number}.png")


def fit(root, folder, *options):
    words = ["fit", "--data", "folder", "--data.root", str(root), "--data.num_workers", "0", "--data.batch_size", "8"]
    words += ["--trainer.max_epochs", "4", "--trainer.default_root_dir", str(folder), "--data.augmentation", "none"]
    assert main([*words, *options]) == 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with photos/ and a run of them, run/."""
    folder = tmp_path_factory.mktemp("labels")
    write_images(folder / "photos", ("train", "val", "test"))
    fit(folder / "photos", folder, "--run", "run")
    return folder


@pytest.fixture
def run(trained):
    """The run, without a table of its labels."""
    for name in ("labels.csv", "labels.html"):
        (trained / "run" / name).unlink(missing_ok=True)
    return trained / "run"


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_planted_labels_of_val_and_test_come_first(zoo, run):
    status, out, _ = zoo("check", "--labels", run)
    assert status == 0
    table = rows(run / "labels.csv")
    assert {row["path"] for row in table[:3]} == PLANTED - {"train/dark/7.png"}
    first = next(row for row in table if row["path"] == "test/light/3.png")
    assert [first[name] for name in ("label", "prediction", "suspect", "split")] == ["light", "dark", "yes", "test"]
    assert float(first["probability_of_label"]) < 0.5 < float(first["probability_of_prediction"])
    assert "80 images of val and test are ranked by" in out
    assert "3 labels are suspect" in out


def test_images_that_the_network_was_trained_on_stand_in_the_table_unranked_and_the_command_says_so(zoo, run):
    _, out, _ = zoo("check", "--labels", run)
    table = rows(run / "labels.csv")
    assert len(table) == 120
    assert {row["split"] for row in table[:80]} == {"val", "test"}
    assert {(row["split"], row["prediction"], row["suspect"]) for row in table[80:]} == {("train", "", "")}
    assert "40 images of train are not ranked, because the network was trained on them" in out
    assert (
        "40 images of train are not ranked, because the network was trained on them"
        in (run / "labels.html").read_text()
    )


def test_the_page_shows_the_first_images_with_links_to_their_files(zoo, run):
    assert zoo("check", "--labels", run)[0] == 0
    page = (run / "labels.html").read_text().replace("<wbr>", "")
    assert page.count("<img ") == 60
    assert '<a href="../photos/test/light/3.png">test/light/3.png</a>' in page
    assert "label light, answer dark" in page
    assert "zoo fit --data table --data.dataset.path" in page


def test_the_corrected_table_trains_with_the_splits_of_the_run(zoo, run, trained, tmp_path):
    assert zoo("check", "--labels", run)[0] == 0
    table = rows(run / "labels.csv")
    for row in table:
        if row["suspect"] == "yes":
            row["label"] = row["prediction"]
    with (tmp_path / "corrected.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table[1:])  # one line is deleted
    words = ("--data", "table", "--data.dataset.path", "corrected.csv", "--data.root", trained / "photos")
    status, _, err = zoo("fit", *words, "--data.num_workers", 0, "--trainer.max_epochs", 3, "--data.batch_size", 8)
    assert (status, "40 train" in err) == (0, True)
    assert zoo("test", "runs/table-lenet5/version_0")[0] == 0
    predicted = rows(tmp_path / "runs" / "table-lenet5" / "version_0" / "predictions.csv")
    assert {row["path"]: row["label"] for row in predicted}.items() <= {r["path"]: r["label"] for r in table}.items()
    assert all(row["path"].startswith("test/") for row in predicted)


def test_a_table_that_is_there_is_never_overwritten(zoo, run):
    (run / "labels.csv").write_text("my corrections")
    assert "labels.csv is there already, perhaps with your corrections" in error_of(zoo("check", "--labels", run))
    assert (run / "labels.csv").read_text() == "my corrections"


def test_output_names_the_table_and_the_page(zoo, run, tmp_path):
    assert zoo("check", "--labels", run, "--output", "mine.csv")[0] == 0
    assert len(rows(tmp_path / "mine.csv")) == 120
    assert (tmp_path / "mine.html").is_file()
    assert not (run / "labels.csv").exists()


def test_a_damaged_image_is_listed_without_a_rank(zoo, run, trained, tmp_path):
    root = shutil.copytree(trained / "photos", tmp_path / "photos")
    (root / "test" / "dark" / "1.png").write_text("damaged")
    status, out, _ = zoo("check", "--labels", run, "--data.root", root, "--data.skip_bad", "true")
    assert (status, "1 other images are not ranked: they are damaged" in out) == (0, True)
    table = {row["path"]: row for row in rows(run / "labels.csv")}
    assert len(table) == 120
    assert table["test/dark/1.png"]["prediction"] == ""
    assert table["test/dark/2.png"]["prediction"] == "dark"


def test_folds_rank_every_image_each_by_the_fold_that_tests_it(zoo, tmp_path):
    write_images(tmp_path / "split", ("train", "val"))
    for name in CLASSES:
        (tmp_path / "photos" / name).mkdir(parents=True)
        for split in ("train", "val"):
            for path in (tmp_path / "split" / split / name).iterdir():
                path.rename(tmp_path / "photos" / name / f"{split}{path.name}")
    for fold in (1, 2, 3):
        fit(
            tmp_path / "photos",
            tmp_path / "folds_0",
            "--data.folds",
            "3",
            "--data.fold",
            str(fold),
            "--run",
            f"fold_{fold}",
        )
    status, out, _ = zoo("check", "--labels", "folds_0")
    assert (status, "80 images are ranked, each by the fold that tests it" in out) == (0, True)
    table = rows(tmp_path / "folds_0" / "labels.csv")
    assert {row["path"] for row in table[:2]} == {"dark/val0.png", "dark/train7.png"}
    assert len({row["path"] for row in table}) == len(table) == 80
    assert all(row["prediction"] for row in table)
    assert "split" not in table[0]


def test_a_run_that_recorded_no_split_is_said_to_have_perhaps_trained_on_the_images(zoo, tmp_path):
    write_images(tmp_path / "photos", ("train", "test"))  # val is drawn
    fit(tmp_path / "photos", tmp_path, "--run", "run")
    assert "The run recorded no split" not in zoo("check", "--labels", "run", "--output", "a.csv")[1]
    (tmp_path / "run" / "split.csv").unlink()
    assert "it may have been trained on some of these images" in zoo("check", "--labels", "run", "--output", "b.csv")[1]


def test_images_without_files_are_ranked_by_number(zoo, untested_run, tmp_path):
    status, out, _ = zoo("check", "--labels", untested_run, "--output", "digits.csv")
    assert (status, "zoo fit --data table" in out) == (0, False)
    table = rows(tmp_path / "digits.csv")
    assert len({row["path"] for row in table}) == len(table) == 1797
    assert {row["path"].split()[0] for row in table if row["split"] == "test"} == {"test"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "which data set? zoo check DATA, as 'zoo list datasets' shows it, or zoo check --labels RUN"),
        (("--labels", "nowhere"), "nowhere is not a run folder"),
        (("folder", "--labels", "nowhere"), "zoo check --labels takes the data of the run; leave 'folder' out"),
        (("--labels", "nowhere", "--output", "x.json"), "allowed with --labels are names that end in .csv"),
    ],
)
def test_what_cannot_be_checked_is_one_error(zoo, words, message):
    assert message in error_of(zoo("check", *words))
