"""Steps made at once are Lightning's own steps: the same weights, counts and calls."""

from __future__ import annotations

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler

from zoo.data.datamodule import ImageDataModule
from zoo.training.fast_loop import FastTrainingLoop, is_direct
from zoo.training.fast_settings import NoProfiler
from zoo.training.task import ImageClassifier

#: Lightning's connector of loaders asks torch for a class it is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning", "ignore:.*does not have many workers")

ADAM = {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.001}}
LBFGS = {"class_path": "torch.optim.LBFGS", "init_args": {"lr": 0.01, "max_iter": 3}}  # calls its closure thrice
ONE_CYCLE = {"class_path": "torch.optim.lr_scheduler.OneCycleLR", "init_args": {"max_lr": 0.01}}


class Recorder(pl.Callback):
    """Notes what it is called with, and logs something in each step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen.append(("start", batch_idx, trainer.global_step, len(batch[1])))

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        figures = {name: float(value.double().sum()) for name, value in outputs.items()}
        self.seen.append(("end", batch_idx, trainer.global_step, figures, outputs["loss"].requires_grad))
        pl_module.log("seen", float(len(self.seen)), on_step=True, on_epoch=True)


class Listener(pl.Callback):
    """Fills a hook within the step."""

    calls = 0

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.calls += 1


def trained(tmp_path, plain, *callbacks, optimizer=ADAM, scheduler=None, checkpoint=None, epochs=2, **options):
    """Train LeNet-5 on some of the digits, from the same weights, with steps made at once or by Lightning."""
    torch.manual_seed(0)
    data = ImageDataModule(dataset="digits", batch_size=64, seed=0)
    model = ImageClassifier(data.spec, optimizer=optimizer, lr_scheduler=scheduler)
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary", "use_distributed_sampler")
    settings = {"accelerator": "cpu", "limit_train_batches": 5, "limit_val_batches": 1, "profiler": NoProfiler()}
    settings |= {"default_root_dir": tmp_path, "callbacks": list(callbacks), "max_epochs": epochs} | dict.fromkeys(
        off, False
    )
    trainer = pl.Trainer(**(settings | options))
    if plain:
        FastTrainingLoop.install(trainer)
    trainer.fit(model, data, ckpt_path=checkpoint)
    return trainer


def assert_same(first, second):
    """Compare two trainings: weights, optimizer, counts of every loop, what was logged."""
    weights = [trainer.lightning_module.state_dict() for trainer in (first, second)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    torch.testing.assert_close(first.optimizers[0].state_dict(), second.optimizers[0].state_dict(), rtol=0, atol=0)
    one, other = first.fit_loop.state_dict(), second.fit_loop.state_dict()
    for state in (one, other):  # what zoo's loop keeps as well
        state["state_dict"].pop("callback_metrics", None)
    assert one == other
    assert first.global_step == second.global_step > 0
    assert first.callback_metrics == second.callback_metrics


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": LBFGS},
        {"scheduler": ONE_CYCLE},
        {"max_steps": 7},
        {"val_check_interval": 2},
        {"gradient_clip_val": 0.01},
        {"gradient_clip_val": 0.001, "gradient_clip_algorithm": "value"},
        {"precision": "bf16-mixed", "gradient_clip_val": 0.01},
    ],
)
def test_they_are_lightnings(tmp_path, options):
    recorders = Recorder(), Recorder()
    first, second = (trained(tmp_path, one is recorders[0], one, **options) for one in recorders)
    assert is_direct(first)
    assert_same(first, second)
    assert recorders[0].seen == recorders[1].seen
    assert "seen_epoch" in first.callback_metrics


def test_a_training_goes_on_from_lightnings_checkpoint(tmp_path):
    before = trained(tmp_path, plain=False, epochs=1)
    before.save_checkpoint(tmp_path / "one.ckpt")
    assert_same(
        trained(tmp_path, plain=True, checkpoint=tmp_path / "one.ckpt"),
        trained(tmp_path, plain=False, checkpoint=tmp_path / "one.ckpt"),
    )


def test_a_hook_within_the_step_is_called(tmp_path):
    listeners = Listener(), Listener()
    first, second = (trained(tmp_path, one is listeners[0], one) for one in listeners)
    assert not is_direct(first)
    assert listeners[0].calls == listeners[1].calls == 10
    assert_same(first, second)


@pytest.mark.parametrize("hook", ["on_train_batch_start", "on_before_zero_grad", "on_after_backward"])
def test_a_hook_of_the_module_is_called(tmp_path, monkeypatch, hook):
    calls = []
    monkeypatch.setattr(ImageClassifier, hook, lambda self, *_: calls.append(hook))
    trainer = trained(tmp_path, plain=True)
    assert not is_direct(trainer)
    assert len(calls) == 10


def test_what_a_callback_changes_on_the_way_counts(tmp_path):
    first, second = (trained(tmp_path, plain, GradientAccumulationScheduler({1: 2})) for plain in (True, False))
    assert first.global_step == 5 + 3
    assert_same(first, second)


def test_a_profiler_within_the_step_is_left_to_lightning(tmp_path):
    first, second = (trained(tmp_path, plain, profiler=None) for plain in (True, False))
    assert not is_direct(first)
    assert_same(first, second)
