"""zoo fit --folds: a run for each fold in one group folder, each image tested once, and how much the figures vary."""

from __future__ import annotations

import csv
import json
import statistics

import pytest
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from support import FIT_PHOTOS, error_of

import zoo as library
from zoo.core.errors import UserError


def images_of_test(run):
    with (run / "split.csv").open(newline="") as file:
        return [row["path"] for row in csv.DictReader(file) if row["split"] == "test"]


def test_folds_are_runs_of_a_group_that_test_every_image_once(zoo, photos, tmp_path):
    status, out, err = zoo("fit", *FIT_PHOTOS, "--data.root", photos, "--folds", 3)
    assert status == 0, err
    assert out.splitlines()[-1] == "runs/folder-lenet5/folds_0"
    group = tmp_path / "runs" / "folder-lenet5" / "folds_0"
    runs = [group / f"fold_{fold}" for fold in (1, 2, 3)]
    paths = [path for run in runs for path in images_of_test(run)]
    assert len(paths) == len(set(paths)) == 60
    accuracies = [json.loads((run / "results.json").read_text())["test/accuracy"] for run in runs]
    mean, deviation = statistics.fmean(accuracies), statistics.stdev(accuracies)
    assert f"{mean:.4f} ± {deviation:.4f}" in out
    summary = json.loads((group / "results.json").read_text())
    assert summary["test/accuracy"] == {"mean": pytest.approx(mean), "std": pytest.approx(deviation)}
    assert (summary["images"], summary["runs"]) == (60, ["fold_1", "fold_2", "fold_3"])

    before = (runs[0] / "metrics.csv").read_bytes()
    for file in sorted(runs[2].rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    runs[2].rmdir()
    status, out, err = zoo("fit", "runs/folder-lenet5/folds_0")
    assert status == 0, err
    assert "fold_1 is finished" in err
    assert (runs[0] / "metrics.csv").read_bytes() == before
    assert sorted(path for run in runs for path in images_of_test(run)) == sorted(paths)


def test_one_fold_is_an_ordinary_run(zoo, photos, tmp_path):
    status, out, err = zoo("fit", *FIT_PHOTOS, "--data.root", photos, "--folds", 4, "--data.fold", 2, "--run", "second")
    assert status == 0, err
    assert out.splitlines()[-1] == "runs/second"
    assert 0 < len(images_of_test(tmp_path / "runs" / "second")) < 30
    assert zoo("test", "runs/second")[0] == 0


def test_python_returns_a_list_of_runs_and_arrays_have_folds_too(tmp_path):
    runs = library.fit(
        data="digits", folds=2, max_epochs=1, trainer={"default_root_dir": str(tmp_path)}, quiet=True, run="two"
    )
    assert [run.path for run in runs] == [tmp_path / "two" / f"fold_{fold}" for fold in (1, 2)]
    assert sum(run.results["images"] for run in runs) == 1438
    assert {round(run.test()["test/accuracy"], 6) == round(run.results["test/accuracy"], 6) for run in runs} == {True}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--folds", 1), "--folds is 1; allowed is 2 or more"),
        (("--folds", "many"), "option --folds needs a value: a whole number, 2 or more"),
        (("--folds", 3, "--data.folds", 4), "--folds is 3 and data.folds 4; leave one of them out"),
        (("--data.fold", 3), "data.fold is 3, but of how many? Add --data.folds N"),
    ],
)
def test_what_contradicts_is_an_error_and_leaves_no_folder(zoo, tmp_path, options, message):
    assert message in error_of(zoo("fit", *options))
    assert not (tmp_path / "runs").exists()


def test_a_wrong_option_leaves_no_group_folder(zoo, tmp_path):
    assert "data.batch_size is 0" in error_of(zoo("fit", "--folds", 3, "--data.batch_size", 0))
    assert not list(tmp_path.glob("runs/*/*"))


def test_folds_and_resume_contradict():
    with pytest.raises(UserError, match="folds is 2, for new trainings, and runs/x is a run to resume; leave one out"):
        library.fit(folds=2, resume="runs/x")


def test_each_fold_has_lightnings_callbacks_anew_and_the_users_own_as_they_are(photos, tmp_path, monkeypatch):
    class Count(Callback):
        fits = 0

        def on_fit_start(self, trainer, pl_module):
            self.fits += 1

    monkeypatch.chdir(tmp_path)
    saved, own = ModelCheckpoint(filename="mine"), Count()
    data = {"dataset": "folder", "root": photos, "image_size": 16, "batch_size": 16, "num_workers": 0}
    runs = library.fit(data=data, max_epochs=1, folds=2, callbacks=[saved, own], quiet=True)
    assert all((run.path / "checkpoints" / "mine.ckpt").is_file() for run in runs)
    assert saved.dirpath is None
    assert own.fits == 2
