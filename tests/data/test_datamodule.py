"""ImageDataModule under a Trainer of one's own: Lightning leaves its loaders as they are."""

from __future__ import annotations

import subprocess
import sys

import pytest

EVALUATE = """
import sys
import lightning
import torch
import torchmetrics
import zoo

class Linear(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(64, 10)
        self.accuracy = torchmetrics.Accuracy("multiclass", num_classes=10)
        self.images = torchmetrics.SumMetric()

    def step(self, batch, split):
        images, labels = batch
        self.accuracy(self.layer(images.flatten(1) / 255), labels)
        self.images(len(labels))
        self.log_dict({f"{split}/accuracy": self.accuracy, f"{split}/images": self.images})

    def training_step(self, batch, index):
        images, labels = batch
        return torch.nn.functional.cross_entropy(self.layer(images.flatten(1) / 255), labels)

    def validation_step(self, batch, index):
        self.step(batch, "val")

    def test_step(self, batch, index):
        self.step(batch, "test")

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)

if __name__ == "__main__":
    options = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    options |= {"enable_model_summary": False, "max_epochs": 1, "devices": int(sys.argv[1]), "strategy": sys.argv[2]}
    data, model = zoo.ImageDataModule("digits", batch_size=30), Linear()
    trainer = lightning.Trainer(**options)
    results = {}
    for evaluate in (trainer.validate, trainer.test):
        results |= evaluate(model, data, verbose=False)[0]
    trainer.fit(model, data)
    if trainer.global_rank == 0:
        print("result", *(f"{results[key]:.6f}" for key in sorted(results)))
"""


def figures(folder, *arguments):
    """Evaluate and train in processes of their own; return accuracy and number of images on test, then on val."""
    program = folder / "program.py"
    program.write_text(EVALUATE)
    done = subprocess.run([sys.executable, program, *arguments], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stdout.splitlines() if line.startswith("result")]
    return [float(value) for value in line.split()[1:]]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return figures(tmp_path_factory.mktemp("alone"), "1", "auto")


def test_one_process_evaluates_every_image(alone):
    assert alone[1::2] == [359, 143]


@pytest.mark.parametrize("strategy", ["ddp", pytest.param("ddp_spawn", marks=pytest.mark.slow)])
def test_two_processes_of_any_trainer_give_the_figures_of_one(strategy, alone, tmp_path):
    assert figures(tmp_path, "2", strategy) == alone
