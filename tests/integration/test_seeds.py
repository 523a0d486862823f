"""zoo fit --seeds: a run for each seed in one group folder, and how much the figures vary."""

from __future__ import annotations

import json
import shutil
import statistics

import pytest
from support import FIT_PHOTOS, error_of, weights, write_photos

import zoo as library

SHORT = ("--trainer.max_epochs", 1, "--trainer.limit_train_batches", 3)


@pytest.fixture
def group(zoo, tmp_path):
    """Two seeds of a short training."""
    status, out, err = zoo("fit", *SHORT, "--seeds", 2, "--seed_everything", 3)
    assert status == 0, err
    assert out.splitlines()[-1] == "runs/digits-lenet5/seeds_0"
    return tmp_path / "runs" / "digits-lenet5" / "seeds_0"


def test_seeds_are_tested_runs_whose_figures_have_mean_and_deviation(zoo, group):
    runs = [group / "seed_3", group / "seed_4"]
    assert any((weights(runs[0])[key] != values).any() for key, values in weights(runs[1]).items())
    accuracies = [json.loads((run / "results.json").read_text())["test/accuracy"] for run in runs]
    summary = json.loads((group / "results.json").read_text())
    mean, deviation = statistics.fmean(accuracies), statistics.stdev(accuracies)
    assert summary["test/accuracy"] == {"mean": pytest.approx(mean), "std": pytest.approx(deviation)}
    assert (summary["seeds"], summary["images"], summary["runs"]) == ([3, 4], 359, ["seed_3", "seed_4"])
    assert f"{mean:.1%} ± {deviation:.1%}  2 runs: seeds 3, 4" in zoo("runs")[1]


def test_a_group_goes_on_with_the_seeds_that_are_missing(zoo, group):
    before, after = weights(group / "seed_4"), (group / "seed_3" / "metrics.csv").read_bytes()
    shutil.rmtree(group / "seed_4")
    (group / "results.json").unlink()
    status, out, err = zoo("fit", "runs/digits-lenet5/seeds_0")
    assert status == 0, err
    assert "seed_3 is finished" in err
    assert all((before[key] == values).all() for key, values in weights(group / "seed_4").items())
    assert (group / "seed_3" / "metrics.csv").read_bytes() == after
    assert out.splitlines()[-1] == "runs/digits-lenet5/seeds_0"


def test_a_named_group_refuses_other_seeds(zoo, tmp_path):
    (tmp_path / "runs" / "mine" / "seed_0").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "seed_0" / "config.yaml").write_text("data: {}")
    (tmp_path / "runs" / "mine" / "group.json").write_text('{"seeds": [0, 1]}')
    error = error_of(zoo("fit", *SHORT, "--seeds", 3, "--run", "mine"))
    assert "runs/mine has seeds 0, 1, received seeds 0, 1, 2; go on with: zoo fit runs/mine" in error


def test_without_a_test_split_the_figures_are_those_of_validation(tmp_path):
    for split in ("train", "val"):
        write_photos(tmp_path / "photos" / split, ("ant", "bee"), 128, 100)
    data = {"dataset": "folder", "root": tmp_path / "photos", "image_size": 16, "batch_size": 16, "num_workers": 0}
    runs = library.fit(data=data, max_epochs=1, seeds=2, quiet=True, trainer={"default_root_dir": str(tmp_path)})
    assert [run.path.name for run in runs] == ["seed_0", "seed_1"]
    summary = json.loads((runs[0].path.parent / "results.json").read_text())
    best = [max(row["val/accuracy"] for row in run.metrics) for run in runs]
    assert summary["val/accuracy"]["mean"] == pytest.approx(statistics.fmean(best))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seeds", 1), "--seeds is 1; allowed is 2 or more"),
        (("--seeds", "many"), "option --seeds needs a value: a whole number, 2 or more"),
        (("--seeds", 2, "--folds", 2), "--folds is 2 and --seeds 2; leave one out"),
        (("--seeds", 2, "--seed_everything", "true"), "seed_everything is true, and --seeds counts from it"),
        (("--seeds", 2, "--time", "10m"), "seeds train alike, and --time is for one training"),
        (("runs/x", "--seeds", 2), "seeds is 2, for new trainings, and runs/x is a run to resume; leave one out"),
        (("--seeds", 2, "--run", "a/b"), "--run is 'a/b'; allowed is the name of a folder"),
        ((*FIT_PHOTOS, "--seeds", 2, "--data.root", "nowhere"), "nowhere"),
    ],
)
def test_what_contradicts_is_an_error_and_leaves_no_folder(zoo, tmp_path, options, message):
    assert message in error_of(zoo("fit", *options))
    assert not list(tmp_path.glob("runs/*/*"))
