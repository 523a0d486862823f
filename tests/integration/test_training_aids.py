"""What helps a training survives its interruption, all of it at once."""

from __future__ import annotations

import csv
import math
import re
import shlex
import signal
import time

import pytest
import torch
from support import REPOSITORY

from zoo.training.task import ImageClassifier

OPTIONS = (
    *("--data.batch_size", "4", "--data.augmentation", "crop", "--data.balanced", "true", "--early_stopping", "9"),
    *("--model.architecture.dropout", "0.3", "--model.mixup", "0.2", "--model.cutmix", "1", "--model.ema", "0.99"),
    *("--model.class_weights", "balanced", "--model.label_smoothing", "0.1", "--model.layer_decay", "0.75"),
    *("--lr_scheduler", "OneCycleLR", "--lr_scheduler.max_lr", "0.003", "--trainer.gradient_clip_val", "1"),
    *("--trainer.max_epochs", "2", "--trainer.log_every_n_steps", "10"),
)


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """OPTIONS without interruption."""
    from zoo.cli import main

    folder = tmp_path_factory.mktemp("whole")
    assert main(["fit", *OPTIONS, "--trainer.default_root_dir", str(folder)]) == 0
    return folder / "digits-lenet5" / "version_0"


def rows(run):
    """Return metrics.csv without its times."""
    with (run / "metrics.csv").open(newline="") as file:
        return [{**row, "images_per_second": ""} for row in csv.DictReader(file)]


def same(first, second):
    """Compare values of a checkpoint, bit for bit."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


@pytest.mark.parametrize(("number", "step"), [(signal.SIGINT, 100), (signal.SIGTERM, 400), (signal.SIGKILL, 500)])
def test_a_stopped_run_resumes_to_what_it_would_have_been(zoo, zoo_process, tmp_path, whole_run, number, step):
    process = zoo_process("fit", *OPTIONS)
    run = tmp_path / "runs" / "digits-lenet5" / "version_0"
    deadline = time.monotonic() + 120
    while not (run / "metrics.csv").exists() or f",{step}," not in (run / "metrics.csv").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert zoo("fit", run)[0] == 0
    assert rows(run) == rows(whole_run)
    one, other = (torch.load(path / "checkpoints" / "last.ckpt", weights_only=True) for path in (run, whole_run))
    for key in ("state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers"):
        assert same(one[key], other[key]), key
    best, expected = (torch.load(path / "checkpoints" / "best.ckpt", weights_only=True) for path in (run, whole_run))
    assert same(best["state_dict"], expected["state_dict"])


SECTION = (REPOSITORY / "README.md").read_text(encoding="utf-8").split("## Training aids")[1].split("\n## ")[0]
COMMANDS = re.findall(r"^    zoo fit ([^#\n]*)", SECTION, re.MULTILINE)


@pytest.mark.parametrize("command", [command for command in COMMANDS if "--logger" not in command])
def test_a_command_of_the_readme_trains_real_images(zoo, command):
    words = [word.replace("configs/", f"{REPOSITORY}/configs/") for word in shlex.split(command)]
    network = ("--model", "lenet5", "--data", "digits", "--data.root", ".", "--data.image_size", "32")
    status, out, err = zoo("fit", *words, *network, "--trainer.max_epochs", 1, "--trainer.limit_train_batches", 5)
    assert status == 0, err
    assert "val accuracy" in out


@pytest.mark.parametrize(("options", "clipped"), [((), False), (("--trainer.gradient_clip_val", 0.1), True)])
def test_clipping_shortens_gradients(zoo, monkeypatch, options, clipped):
    norms = []

    def measure(self, optimizer):
        gradients = [value.grad for group in optimizer.param_groups for value in group["params"]]
        norms.extend([float(torch.nn.utils.get_total_norm(gradients))] if gradients[0] is not None else [])

    monkeypatch.setattr(ImageClassifier, "on_before_zero_grad", measure)
    assert zoo("fit", *options, "--trainer.max_epochs", 1, "--trainer.limit_train_batches", 10)[0] == 0
    assert len(norms) > 5
    assert (max(norms) <= 0.1001) == clipped


def test_one_cycle_warms_up_and_falls_along_a_cosine(zoo, monkeypatch):
    rates = []
    monkeypatch.setattr(
        ImageClassifier, "on_train_batch_start", lambda self, *_: rates.append(self.optimizers().param_groups[0]["lr"])
    )
    cycle = ("--lr_scheduler", "OneCycleLR", "--lr_scheduler.max_lr", 0.01, "--lr_scheduler.pct_start", 0.1)
    assert zoo("fit", *cycle, "--trainer.max_epochs", 2)[0] == 0
    assert len(rates) == 82
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(0.01, rel=0.02)
    assert 6 <= top <= 9
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    half = 0.01 * (1 + math.cos(math.pi * (40 - top) / (81 - top))) / 2
    assert rates[40] == pytest.approx(half, rel=0.05)
