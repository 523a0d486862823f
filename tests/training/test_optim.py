"""Learning rates that fall from the last layer to the first, or change from step to step."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch import Trainer
from torch.optim.lr_scheduler import LRScheduler

from zoo.core.errors import UserError
from zoo.data.datamodule import ImageDataModule
from zoo.models.layers import layers
from zoo.training.optim import planned_steps, warm_up
from zoo.training.task import ImageClassifier

SGD = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}
DECAY = ("--model.layer_decay", 0.5)
ONE_CYCLE = ("--lr_scheduler", "OneCycleLR", "--lr_scheduler.max_lr", "0.01")


def checkpoint(run):
    return torch.load(f"{run}/checkpoints/last.ckpt", weights_only=True)


def rates(optimizer):
    """Return each parameter's learning rate, by its identity."""
    return {id(value): group["lr"] for group in optimizer.param_groups for value in group["params"]}


def test_each_layers_rate_is_that_of_the_one_behind_it_times_the_decay(colour_spec):
    classifier = ImageClassifier(colour_spec, "vgg11_bn", layer_decay=0.5, optimizer=SGD)
    found = rates(classifier.build_optimizer())
    walked = layers(classifier.network, colour_spec)
    assert len(walked) == 11
    for behind, layer in enumerate(reversed(walked)):
        for name in layer.parameters:
            assert found[id(classifier.network.get_parameter(name))] == pytest.approx(0.1 * 0.5**behind)
    assert len(found) == len(list(classifier.parameters()))


def test_without_decay_there_is_one_group(grey_spec):
    [group] = ImageClassifier(grey_spec, optimizer=SGD).build_optimizer().param_groups
    assert group["lr"] == 0.1


def test_frozen_layers_count_and_are_in_no_group(grey_spec):
    classifier = ImageClassifier(grey_spec, freeze=2, layer_decay=0.5, optimizer=SGD)
    groups = classifier.build_optimizer().param_groups
    assert [group["lr"] for group in groups] == pytest.approx([0.025, 0.05, 0.1])


def test_an_optimizers_own_default_is_the_rate_to_start_from(grey_spec):
    optimizer = {"class_path": "torch.optim.AdamW", "init_args": {}}
    groups = ImageClassifier(grey_spec, layer_decay=0.5, optimizer=optimizer).build_optimizer().param_groups
    assert groups[-1]["lr"] == 1e-3
    assert groups[0]["lr"] == pytest.approx(1e-3 / 16)


def test_one_cycle_peaks_at_each_layers_own_rate(zoo, tmp_path, monkeypatch):
    seen = []
    step = LRScheduler.step
    monkeypatch.setattr(LRScheduler, "step", lambda self, *args: step(self, *args) or seen.append(self.get_last_lr()))
    cycle = ("--lr_scheduler", "OneCycleLR", "--lr_scheduler.max_lr", 0.01)
    assert zoo("fit", *DECAY, *cycle, "--trainer.max_epochs", 1)[0] == 0
    peaks = torch.tensor([rates for rates in seen if len(rates) > 1]).amax(dim=0)  # a trial before has one group
    assert torch.allclose(peaks, torch.tensor([0.01 * 0.5**behind for behind in range(4, -1, -1)]), rtol=0.05)


@pytest.mark.parametrize("decay", [0, 1.5, -0.5])
def test_a_decay_outside_its_range_is_an_error(grey_spec, decay):
    with pytest.raises(UserError, match=f"model.layer_decay is {decay}; allowed is more than 0 and up to 1"):
        ImageClassifier(grey_spec, layer_decay=decay)


def test_an_optimizer_of_one_group_is_an_error(grey_spec):
    optimizer = {"class_path": "torch.optim.LBFGS", "init_args": {"lr": 1.0}}
    with pytest.raises(UserError, match=r"model\.layer_decay needs an optimizer of several groups"):
        ImageClassifier(grey_spec, layer_decay=0.5, optimizer=optimizer).build_optimizer()


def test_lbfgs_trains_a_convolutional_network(zoo):
    status, _, err = zoo("fit", "--optimizer", "LBFGS", "--optimizer.lr", 0.01, "--trainer.max_steps", 1)
    assert status == 0
    assert "channels first" in err


def test_one_cycle_ends_with_the_training(zoo):
    status, out, _ = zoo("fit", *ONE_CYCLE, "--trainer.max_epochs", 2)
    assert status == 0
    saved = checkpoint(out.split()[-1])
    [state] = saved["lr_schedulers"]
    assert state["total_steps"] == saved["global_step"] == 2 * 41
    assert state["_last_lr"][0] < 1e-5


def test_a_run_is_not_trained_on_beyond_its_one_cycle(zoo):
    run = zoo("fit", *ONE_CYCLE, "--trainer.max_epochs", 1)[1].split()[-1]
    status, _, err = zoo("fit", run, "--trainer.max_epochs", 2)
    assert status == 2
    assert "OneCycleLR ends after 41 steps, and 82 are asked for" in err
    assert checkpoint(run)["epoch"] == 0


def test_frozen_layers_run_once_with_one_cycle_too(zoo, monkeypatch):
    seen = []
    step = ImageClassifier.training_step

    def watched(self, batch, number):
        seen.append(batch[0].ndim)
        return step(self, batch, number)

    monkeypatch.setattr(ImageClassifier, "training_step", watched)
    status, _, err = zoo("fit", *ONE_CYCLE, "--model.freeze", 2, "--trainer.max_epochs", 2)
    assert status == 0
    assert "the frozen layers ran once" in err
    assert set(seen) == {2}


def test_one_cycle_without_an_end_is_an_error(zoo):
    status, _, err = zoo("fit", *ONE_CYCLE, "--trainer.max_time", "00:00:01:00")
    assert status == 2
    assert "OneCycleLR needs to know where training ends" in err


@pytest.mark.parametrize("name", ["StepLR --lr_scheduler.step_size 1", "CosineAnnealingLR --lr_scheduler.T_max 2"])
def test_other_schedules_step_once_an_epoch(zoo, name):
    status, out, _ = zoo("fit", "--lr_scheduler", *name.split(), "--trainer.max_epochs", 2)
    assert status == 0
    assert checkpoint(out.split()[-1])["lr_schedulers"][0]["last_epoch"] == 2


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning", "ignore:.*does not have many workers")
@pytest.mark.parametrize(
    "limits",
    [
        {"max_epochs": 3},
        {"max_epochs": 3, "accumulate_grad_batches": 2},
        {"max_epochs": 9, "max_steps": 7},
        {"max_steps": 7},
        {"max_epochs": 2, "limit_train_batches": 5},
        {"max_epochs": 2, "limit_train_batches": 0.5, "accumulate_grad_batches": 3},
    ],
)
def test_the_planned_steps_are_those_that_lightning_takes(tmp_path, limits):
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    settings = dict.fromkeys(off, False) | {"limit_val_batches": 0, "accelerator": "cpu", "default_root_dir": tmp_path}
    trainer, data = Trainer(**settings, **limits), ImageDataModule("digits", batch_size=200)
    planned = planned_steps(trainer, len(data.train_dataloader()))
    trainer.fit(ImageClassifier(data.spec), data)
    assert planned == trainer.global_step == trainer.estimated_stepping_batches


@pytest.mark.parametrize("length", [(), ("--lr_scheduler.T_max", 0)])
def test_a_cosine_without_a_length_ends_with_the_training(zoo, length):
    status, out, err = zoo("fit", "--lr_scheduler", "CosineAnnealingLR", *length, "--trainer.max_epochs", 2)
    assert status == 0, err
    run = out.splitlines()[-1]
    checkpoint = torch.load(f"{run}/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["lr_schedulers"][0]["T_max"] == checkpoint["global_step"] == 82
    assert checkpoint["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(0, abs=1e-9)
    status, _, err = zoo("fit", run, "--trainer.max_epochs", 3)
    assert status == 2
    assert "CosineAnnealingLR ends after 82 steps, and 123 are asked for" in err


def test_a_cosine_with_a_length_counts_epochs(zoo):
    status, out, err = zoo(
        "fit", "--lr_scheduler", "CosineAnnealingLR", "--lr_scheduler.T_max", 4, "--trainer.max_epochs", 1
    )
    assert status == 0, err
    checkpoint = torch.load(f"{out.splitlines()[-1]}/checkpoints/last.ckpt", weights_only=True)
    rate = 0.001 * (1 + 2**-0.5) / 2
    assert checkpoint["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(rate)


def test_a_warm_up_raises_the_rate_of_each_step_and_leaves_the_schedules_own():
    parameter, seen, steps = torch.nn.Parameter(torch.zeros(1)), [], 0
    optimizer = torch.optim.SGD([parameter], lr=0.8)
    warm_up(optimizer, 4, lambda: steps)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3, gamma=0.5)
    for steps in range(6):  # noqa: B007  # the warm-up reads it
        parameter.grad, before = torch.ones(1), parameter.item()
        optimizer.step()
        seen.append(before - parameter.item())
        schedule.step()
    assert seen == pytest.approx([0.2, 0.4, 0.6, 0.4, 0.4, 0.4])
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2)
