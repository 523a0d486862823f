"""Whole runs: fit, test, predict, on real images; test_resume.py stops and resumes them."""

from __future__ import annotations

import csv
import json
import signal

import pytest
import torch
import yaml
from PIL import Image
from support import assert_equal_weights, weights

import zoo as library
from zoo.runs.folder import Run
from zoo.training.graceful_stop import GracefulStop


def rows(run):
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def timeless(run):
    """Return the rows of metrics.csv without the one figure that is a time."""
    return [{key: value for key, value in row.items() if key != "images_per_second"} for row in rows(run)]


def assert_equal_runs(first, second):
    assert timeless(first) == timeless(second)
    assert_equal_weights(first, second)


def test_fit_leaves_a_run_folder_as_documented(zoo, tmp_path):
    status, out, err = zoo("fit", "--trainer.max_epochs", "2")
    run = tmp_path / "runs" / "digits-lenet5" / "version_0"
    assert status == 0
    assert out.splitlines()[-1] == "runs/digits-lenet5/version_0"
    assert len([line for line in out.splitlines() if line.startswith("epoch ")]) == 2
    assert "\x1b" not in out + err
    assert sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()) == [
        ".training.lock",
        "calibration.json",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "config.yaml",
        "metrics.csv",
        "report.html",
        "state.json",
        "training_images.json",
    ]
    epochs = [row for row in rows(run) if row["val/accuracy"]]
    assert [row["epoch"] for row in epochs] == ["0", "1"]
    assert all(float(row["images_per_second"]) > 0 for row in epochs)
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["seed_everything"] == 0
    assert config["model"]["architecture"]["name"] == "lenet5"
    assert config["data"]["dataset"]["name"] == "digits"


def test_the_written_config_repeats_the_run(zoo, tmp_path, digits_run):
    assert zoo("fit", "--config", digits_run / "config.yaml", "--trainer.default_root_dir", "again")[0] == 0
    assert_equal_runs(digits_run, tmp_path / "again" / "digits-lenet5" / "version_0")


def test_another_seed_gives_another_run(zoo, tmp_path, digits_run):
    assert zoo("fit", "--trainer.max_epochs", "3", "--seed_everything", "1")[0] == 0
    assert timeless(digits_run) != timeless(tmp_path / "runs" / "digits-lenet5" / "version_0")


def test_test_and_validate_need_no_option(zoo, digits_run):
    status, out, _ = zoo("test", digits_run)
    assert status == 0
    assert "test/accuracy" in out
    results = json.loads((digits_run / "results.json").read_text())
    assert {"test/accuracy", "test/f1", "test/loss", "test/top5_accuracy", "classes"} <= set(results)
    assert results["images"] == 359
    status, out, _ = zoo("validate", digits_run)
    assert status == 0
    best = max(float(row["val/accuracy"]) for row in rows(digits_run) if row["val/accuracy"])
    assert f"{best:.4f}" in out


def test_the_tested_accuracy_is_that_of_predicting_each_image(zoo, digits_run):
    zoo("test", digits_run)
    classifier = library.load(digits_run)
    data = library.create_dataset("digits", ".", "test")
    with torch.inference_mode():
        guesses = classifier(torch.from_numpy(data.images)).argmax(1).numpy()
    accuracy = float((guesses == data.labels).mean())
    assert json.loads((digits_run / "results.json").read_text())["test/accuracy"] == pytest.approx(accuracy)


def test_a_finished_run_says_where_it_is_and_trains_on_when_asked(zoo, tmp_path):
    zoo("fit", "--trainer.max_epochs", "1")
    run = tmp_path / "runs" / "digits-lenet5" / "version_0"
    before = (run / "checkpoints" / "last.ckpt").read_bytes()
    status, out, _ = zoo("fit", run)
    assert (status, out.splitlines()[-1]) == (0, str(run))
    assert (run / "checkpoints" / "last.ckpt").read_bytes() == before
    assert zoo("fit", run, "--trainer.max_epochs", "2")[0] == 0
    assert [row["epoch"] for row in rows(run) if row["val/accuracy"]] == ["0", "1"]
    assert yaml.safe_load((run / "config.yaml").read_text())["trainer"]["max_epochs"] == 2


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_its_checkpoint(zoo, tmp_path):
    """The learning rate explodes after the first epoch."""
    explode = ("--lr_scheduler", "StepLR", "--lr_scheduler.step_size", 1, "--lr_scheduler.gamma", "1e30")
    status, _, err = zoo("fit", "--trainer.max_epochs", 3, "--optimizer", "SGD", "--optimizer.lr", 0.01, *explode)
    assert status == 1
    assert "error: the loss is nan at step" in err or "error: the loss is inf at step" in err
    run = tmp_path / "runs" / "digits-lenet5" / "version_0"
    assert torch.load(run / "checkpoints" / "last.ckpt")["global_step"] == 41
    assert all(value.isfinite().all() for value in weights(run).values())


def test_weights_that_the_last_step_spoils_are_not_saved(zoo, tmp_path):
    short = ("--trainer.max_epochs", 1, "--trainer.limit_train_batches", 1, "--trainer.limit_val_batches", 1)
    status, _, err = zoo("fit", *short, "--optimizer.lr", 1e30, "--run", "spoilt")
    assert (status, "error: the loss is nan at step 1" in err) == (1, True), err
    assert not list((tmp_path / "runs" / "spoilt" / "checkpoints").iterdir())


def test_a_resumed_run_that_does_no_step_is_left_as_it_is(zoo, tmp_path):
    """It was stopped before its first checkpoint."""
    zoo("fit", "--trainer.max_epochs", 1)
    run = tmp_path / "runs" / "digits-lenet5" / "version_0"
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    status, _, err = zoo("fit", run, "--trainer.limit_train_batches", 0)
    assert (status, "nothing was trained" in err) == (2, True)
    assert (run / "config.yaml").is_file()
    assert (run / "metrics.csv").is_file()


def test_an_epoch_without_validation_shows_none(zoo, tmp_path):
    options = ("--trainer.max_epochs", 2, "--trainer.check_val_every_n_epoch", 2)
    _, out, _ = zoo("fit", *options)
    first, second = (line for line in out.splitlines() if line.startswith("epoch "))
    assert "val" not in first
    assert "val accuracy" in second


def test_accumulated_gradients_leave_the_loss_what_it_is(zoo, tmp_path):
    one_batch = ("--trainer.max_epochs", 1, "--trainer.limit_train_batches", 1)
    zoo("fit", *one_batch)
    zoo("fit", *one_batch, "--trainer.accumulate_grad_batches", 4)
    first, second = (rows(tmp_path / "runs" / "digits-lenet5" / f"version_{number}")[0] for number in range(2))
    assert float(first["train/loss"]) == pytest.approx(float(second["train/loss"]))


def test_photographs_train_test_and_predict(zoo, tmp_path, real_data):
    options = ("--data", "folder", "--data.root", real_data / "hymenoptera", "--data.image_size", 48)
    status, out, err = zoo("fit", *options, "--trainer.max_epochs", 8, "--optimizer.lr", "3e-4")
    assert status == 0, err
    run = tmp_path / out.splitlines()[-1]
    assert max(float(row["val/accuracy"]) for row in rows(run) if row["val/accuracy"]) > 0.55
    status, _, err = zoo("test", run)
    assert status == 2
    assert "has train/ but no test/" in err
    photographs = sorted((real_data / "hymenoptera" / "val" / "bees").iterdir())[:3]
    status, out, _ = zoo("predict", run, *photographs)
    assert status == 0
    assert "bees" in out


def test_an_unreadable_photograph_is_named_before_training(zoo, tmp_path):
    for name in ("ant", "bee"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (20, 20), (number, 0, 0)).save(tmp_path / "photos" / name / f"{number}.png")
    (tmp_path / "photos" / "ant" / "0.png").write_text("not an image")
    options = ("--data", "folder", "--data.root", "photos", "--data.batch_size", 4, "--trainer.max_epochs", 1)
    status, _, err = zoo("fit", *options)
    assert status == 2
    assert "ant/0.png: not a readable image (12 bytes)" in err
    assert not (tmp_path / "runs").exists()
    assert zoo("fit", *options, "--data.skip_bad", "true")[0] == 0


@pytest.mark.parametrize(
    ("name", "accuracy"),
    [
        ("cifar10", 0.35),
        pytest.param("fashion_mnist", 0.70, marks=pytest.mark.slow),
        pytest.param("mnist", 0.90, marks=pytest.mark.slow),
    ],
)
def test_real_data_trains_in_its_recipe(zoo, tmp_path, real_data, request, name, accuracy):
    config = request.config.rootpath / "configs" / name / "lenet5.yaml"
    short = ("--trainer.max_epochs", 1, "--trainer.limit_train_batches", 500)
    status, out, err = zoo("fit", "--config", config, *short)
    assert status == 0, err
    run = tmp_path / out.splitlines()[-1]
    assert zoo("test", run)[0] == 0
    assert json.loads((run / "results.json").read_text())["test/accuracy"] > accuracy


def test_one_seed_gives_one_result_on_real_data(zoo, tmp_path, real_data):
    options = ("--data", "cifar10", "--trainer.max_epochs", 1, "--trainer.limit_train_batches", 100)
    for _ in range(2):
        assert zoo("fit", *options)[0] == 0
    assert zoo("fit", *options, "--seed_everything", 1)[0] == 0
    runs = [tmp_path / "runs" / "cifar10-lenet5" / f"version_{number}" for number in range(3)]
    assert_equal_runs(runs[0], runs[1])
    assert timeless(runs[0]) != timeless(runs[2])


def test_a_second_signal_leaves_at_once(monkeypatch, tmp_path):
    left = []
    monkeypatch.setattr("os._exit", left.append)
    stop = GracefulStop(Run(tmp_path))
    stop._handle(signal.SIGINT, None)
    assert left == []
    stop._handle(signal.SIGINT, None)
    assert left == [130]
