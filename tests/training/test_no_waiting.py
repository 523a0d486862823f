"""No step waits for the device: a tensor on torch's meta device has no value, and asking for one raises."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from zoo.core.spec import InputSpec
from zoo.training.ema import Average, MovingAverage
from zoo.training.epoch_metrics import EpochMetrics
from zoo.training.task import ImageClassifier

SPEC = InputSpec([str(number) for number in range(10)], 3, 16, 16, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
META = torch.device("meta")


def batch(count=8):
    return (
        torch.empty(count, 16, 16, 3, dtype=torch.uint8, device=META),
        torch.empty(count, dtype=torch.int64, device=META),
    )


@pytest.fixture
def classifier():
    fused = {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.1, "foreach": True}}
    return ImageClassifier(SPEC, "lenet5", optimizer=fused, label_smoothing=0.1).to(META).train()


def test_a_value_of_the_meta_device_cannot_be_asked_for():
    with pytest.raises((RuntimeError, NotImplementedError)):
        batch()[1].max().item()


def test_a_training_step_and_the_figures_of_the_epoch_wait_for_nothing(classifier):
    optimizer, metrics = classifier.build_optimizer(), EpochMetrics()
    trainer = SimpleNamespace(global_step=1, log_every_n_steps=50, accumulate_grad_batches=1, world_size=1)
    for _ in range(3):
        output = classifier.training_step(batch(), 0)
        optimizer.zero_grad()
        output["loss"].backward()
        nn.utils.clip_grad_norm_(classifier.network.parameters(), 1.0)
        optimizer.step()
        metrics.on_train_batch_end(trainer, classifier, output, batch(), 0)

    assert metrics.images == 24


def test_a_validation_step_waits_for_nothing(classifier):
    classifier.eval()
    with torch.inference_mode():
        for _ in range(3):
            classifier.validation_step(batch(), 0)

    assert len(classifier.val_metrics._pending) == 3


def test_the_moving_average_waits_for_nothing(classifier):
    average = MovingAverage(0.9, "32-true")
    averages = Average(ImageClassifier(SPEC, "lenet5").to(META), average._average)
    for _ in range(3):
        averages.update_parameters(classifier)

    assert int(averages.n_averaged) == 3


def test_many_batches_are_counted_as_one_by_one(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    batches = [
        (
            torch.randn(7, 10, generator=generator),
            torch.randint(10, (7,), generator=generator),
            torch.rand((), generator=generator),
        )
        for _ in range(5)
    ]
    results = []
    for most in (0, 2**20):
        monkeypatch.setattr("zoo.training.metrics.MAX_LOGITS", most)
        metrics = ImageClassifier(SPEC, "lenet5").val_metrics
        for logits, labels, loss in batches:
            metrics.update(logits, labels, loss)
        results.append(metrics.compute_and_reset())

    assert results[0] == results[1]
    assert results[0].keys() == {"val/loss", "val/accuracy", "val/f1", "val/top5_accuracy"}
