"""Loggers by name; those whose packages are not here name them."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from zoo.training.loggers import LOGGERS

SHORT = ("--trainer.max_epochs", 1, "--trainer.limit_train_batches", 3, "--trainer.log_every_n_steps", 1)


@pytest.mark.parametrize("name", LOGGERS)
def test_a_package_that_is_not_installed_is_named(zoo, tmp_path, name):
    if find_spec(name) or (name == "tensorboard" and find_spec("tensorboardX")):
        pytest.skip(f"{name} is installed")
    status, _, err = zoo("fit", "--logger", name)
    assert status == 2
    assert f"error: logger {name} needs a package that is not here: pip install {name}" in err
    assert not list((tmp_path / "runs" / "digits-lenet5").iterdir())


def test_an_unknown_logger_is_an_error_with_a_suggestion(zoo):
    status, _, err = zoo("fit", "--logger", "[tensorbord]")
    assert status == 2
    assert "logger is 'tensorbord'; allowed are tensorboard, wandb, mlflow; did you mean 'tensorboard'?" in err


def test_tensorboard_is_given_what_metrics_csv_is_given(zoo, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for words in (("--logger", "tensorboard", *SHORT), ("runs/digits-lenet5/version_0", "--trainer.max_epochs", 2)):
        assert zoo("fit", *words)[0] == 0
    run = tmp_path / "runs" / "digits-lenet5" / "version_0"
    found = events.EventAccumulator(str(run / "tensorboard")).Reload()
    assert {"train/loss", "train/loss_step", "val/accuracy", "val/loss"} <= set(found.Tags()["scalars"])
    assert [event.step for event in found.Scalars("val/accuracy")] == [3, 6]
    assert (run / "metrics.csv").is_file()


def test_mlflow_is_given_what_metrics_csv_is_given_in_one_run(zoo, tmp_path, monkeypatch):
    tracking = pytest.importorskip("mlflow.tracking")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for words in (("--logger", "mlflow", *SHORT), ("runs/digits-lenet5/version_0", "--trainer.max_epochs", 2)):
        assert zoo("fit", *words)[0] == 0
    database = tmp_path / "runs" / "digits-lenet5" / "version_0" / "mlflow.db"
    client = tracking.MlflowClient(f"sqlite:///{database}")
    [run] = client.search_runs([client.get_experiment_by_name("digits-lenet5").experiment_id])
    assert run.info.run_name == "version_0"
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "val/accuracy")] == [3, 6]


def test_wandb_is_given_what_metrics_csv_is_given_and_goes_on_with_its_run(zoo, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for words in (("--logger", "wandb", *SHORT), ("runs/digits-lenet5/version_0", "--trainer.max_epochs", 2)):
        assert zoo("fit", *words)[0] == 0
        import wandb

        wandb.finish()
    found = list((tmp_path / "runs" / "digits-lenet5" / "version_0" / "wandb").glob("offline-run-*"))
    assert len({path.name.rpartition("-")[2] for path in found}) == 1
    [*_, log] = sorted(found[0].glob("*.wandb"))
    assert b"val/accuracy" in log.read_bytes()
