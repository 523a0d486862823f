"""Clipping of gradients, and warm-up of the learning rate."""

from __future__ import annotations

import math

import pytest
import torch

from zoo.training.task import ImageClassifier


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
