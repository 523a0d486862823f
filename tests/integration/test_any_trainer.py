"""ImageClassifier and ImageDataModule under anybody's Trainer, callbacks and loggers; real digits."""

from __future__ import annotations

import csv
import json

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

import zoo as package
from zoo.config.run import opened
from zoo.runs.folder import Run
from zoo.training.checkpoints import RunCheckpoints
from zoo.training.epoch_metrics import EpochMetrics, MetricsLogger
from zoo.training.progress_bar import EpochProgressBar

#: Lightning's connector of loaders asks torch for a class it is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning", "ignore:.*does not have many workers")


class OwnStep(package.ImageClassifier):
    """A training step as Lightning's tutorials write it; it returns the loss alone."""

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return torch.nn.functional.cross_entropy(self(images), labels)


class OwnDict(package.ImageClassifier):
    """The same in a dict."""

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return {"loss": torch.nn.functional.cross_entropy(self(images), labels)}


class Skipping(OwnStep):
    """Skips every second batch."""

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) if batch_idx % 2 else None


def trainer(folder, **options):
    settings = {"max_epochs": 2, "accelerator": "cpu", "limit_train_batches": 10, "log_every_n_steps": 5}
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return lightning.Trainer(**(settings | quiet | {"default_root_dir": folder} | options))


def parts(kind=package.ImageClassifier):
    torch.manual_seed(0)
    data = package.ImageDataModule("digits")
    return kind(data.spec, "lenet5"), data


def rows(path):
    """Return the rows of a CSV file, empty cells left out."""
    with path.open(newline="") as file:
        return [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]


@pytest.mark.parametrize(("command", "prefix"), [("validate", "val"), ("test", "test")])
def test_a_plain_trainer_measures_what_zoo_measures(zoo, digits_run, tmp_path, command, prefix):
    cli = opened(command, [str(digits_run)])
    getattr(cli.trainer, command)(cli.model, cli.datamodule, verbose=False)
    expected = {name: float(value) for name, value in cli.trainer.callback_metrics.items()}
    model = package.ImageClassifier.load_from_checkpoint(digits_run / "checkpoints" / "best.ckpt")
    logger = CSVLogger(tmp_path / "logs")
    [results] = getattr(trainer(tmp_path, logger=logger), command)(model, package.ImageDataModule("digits"))
    assert results.keys() == {f"{prefix}/{name}" for name in ("loss", "accuracy", "f1", "top5_accuracy")}
    assert results == pytest.approx(expected)
    [row] = rows(tmp_path / "logs" / "lightning_logs" / "version_0" / "metrics.csv")
    assert {name: float(row[name]) for name in results} == pytest.approx(results)


def test_zoo_test_writes_what_a_plain_trainer_measures(zoo, digits_run, tmp_path):
    assert zoo("test", digits_run)[0] == 0
    saved = json.loads((digits_run / "results.json").read_text())
    model = package.ImageClassifier.load_from_checkpoint(digits_run / "checkpoints" / "best.ckpt")
    [results] = trainer(tmp_path).test(model, package.ImageDataModule("digits"))
    assert results == pytest.approx({name: saved[name] for name in results})


def test_a_plain_trainer_logs_training_and_validation_each_epoch(tmp_path):
    model, data = parts()
    trainer(tmp_path, logger=CSVLogger(tmp_path / "logs")).fit(model, data)
    logged = rows(tmp_path / "logs" / "lightning_logs" / "version_0" / "metrics.csv")
    assert [int(row["step"]) for row in logged if "train/loss_step" in row] == [4, 9, 14, 19]
    for name in ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "val/f1", "val/top5_accuracy"):
        assert [int(row["epoch"]) for row in logged if name in row] == [0, 1]


def test_lightnings_own_callbacks_follow_the_validation_accuracy(tmp_path):
    model, data = parts()
    best = ModelCheckpoint(tmp_path / "kept", monitor="val/accuracy", mode="max")
    # An accuracy cannot rise by 1 above itself: the second validation ends the training.
    stop = EarlyStopping("val/accuracy", mode="max", patience=1, min_delta=1.0)
    fitted = trainer(tmp_path, callbacks=[best, stop], enable_checkpointing=True, max_epochs=9)
    fitted.fit(model, data)
    assert fitted.current_epoch == 2
    assert float(best.best_model_score) > 0.2
    loaded = package.load(best.best_model_path)
    images = torch.from_numpy(package.create_dataset("digits", ".", "test").images[:5])
    again = package.ImageClassifier.load_from_checkpoint(best.best_model_path).eval()
    assert torch.equal(loaded(images), again(images))


@pytest.mark.parametrize("kind", [OwnStep, OwnDict])
@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_training_step_of_ones_own_trains_under_a_plain_trainer(tmp_path, kind, accumulated):
    model, data = parts(kind)
    fitted = trainer(tmp_path, accumulate_grad_batches=accumulated)
    fitted.fit(model, data)
    assert fitted.global_step == 20 / accumulated
    assert float(fitted.callback_metrics["val/accuracy"]) > 0.2  # untrained it is 0.1


def under_zoo(folder, kind, **options):
    """Train under the callbacks of ``zoo fit``; return the rows of metrics.csv."""
    model, data = parts(kind)
    run, other = Run.create(folder, "digits", kind.__name__), CSVLogger(folder / "logs")
    metrics, checkpoints = EpochMetrics(), RunCheckpoints(run)
    callbacks = [metrics, EpochProgressBar(metrics, checkpoints), checkpoints]
    loggers = [MetricsLogger(run), other]
    shown = {"enable_progress_bar": True, "enable_checkpointing": True}
    trainer(folder, callbacks=callbacks, logger=loggers, **shown, **options).fit(model, data)
    assert run.last.is_file()
    other.finalize("success")
    written = rows(run.metrics)
    assert written == [
        {name: row[name] for name in written[index]}
        for index, row in enumerate(rows(folder / "logs" / "lightning_logs" / "version_0" / "metrics.csv"))
    ]
    return written


@pytest.mark.parametrize("kind", [OwnStep, OwnDict])
def test_a_training_step_of_ones_own_trains_under_zoos_callbacks(tmp_path, kind, capsys):
    written = under_zoo(tmp_path, kind)
    epochs = [row for row in written if "train/loss" in row]
    assert len(epochs) == 2
    assert all("val/accuracy" in row and "train/accuracy" not in row for row in epochs)
    assert float(epochs[1]["train/loss"]) < float(epochs[0]["train/loss"])
    assert "epoch 2/2  loss " in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:`training_step` returned `None`")
def test_batches_that_a_training_step_skips_are_left_out_of_the_figures(tmp_path):
    written = under_zoo(tmp_path, Skipping, max_epochs=1)
    assert 2.0 < float(written[-1]["train/loss"]) < 2.6  # ln(10) is 2.3


def test_zoos_callbacks_give_every_logger_one_row_an_epoch(tmp_path):
    written = under_zoo(tmp_path, package.ImageClassifier)
    kinds = [sorted(name for name in row if "/" in name) for row in written]
    steps = ["train/accuracy_step", "train/loss_step"]
    epoch = ["train/accuracy", "train/loss", "val/accuracy", "val/f1", "val/loss", "val/top5_accuracy"]
    assert kinds == [steps, steps, epoch] * 2


def test_the_loss_of_an_own_step_counts_whole_when_gradients_accumulate(tmp_path):
    losses = []
    for name, accumulated in (("one", 1), ("two", 2)):
        options = {
            "accumulate_grad_batches": accumulated,
            "max_epochs": 1,
            "limit_train_batches": 2,
            "log_every_n_steps": 2,
        }
        losses.append(float(under_zoo(tmp_path / name, OwnStep, **options)[-1]["train/loss"]))
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


def test_a_validation_between_two_trainings_leaves_metrics_that_go_on(tmp_path):
    model, data = parts()
    trainer(tmp_path, max_epochs=1).fit(model, data)
    trainer(tmp_path).validate(model, data, verbose=False)
    again = trainer(tmp_path, max_epochs=1)
    again.fit(model, data)
    assert "val/loss" in again.callback_metrics
