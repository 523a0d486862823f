"""A run of a plugin's own loss, metric, optimizer and scheduler resumes bit for bit after SIGKILL."""

from __future__ import annotations

import time
from signal import SIGKILL

from support import assert_equal_weights

PARTS = """
import torch
from torchmetrics import MeanMetric

def squares(spec, scale: float = 1.0):
    return lambda logits, shares: scale * (logits - shares).square().mean(dim=1)

class Signs(torch.optim.SGD):
    def step(self, closure=None):
        loss = closure()
        for group in self.param_groups:
            for value in group["params"]:
                state = self.state[value]
                state["mean"] = value.grad.clone() if "mean" not in state else 0.9 * state["mean"] + 0.1 * value.grad
                value.data -= group["lr"] * state["mean"].sign()
        return loss

class Steps(torch.optim.lr_scheduler.LambdaLR):
    def __init__(self, optimizer, decay: float = 0.9):
        super().__init__(optimizer, lambda epoch: decay**epoch)

class Margin(MeanMetric):
    higher_is_better = True
    def update(self, logits, labels):
        super().update(logits.gather(1, labels[:, None])[:, 0] - logits.mean(dim=1))

def margin(spec): return Margin()
"""
POINTS = """
[zoo.losses]
squares = own_parts:squares
[zoo.metrics]
margin = own_parts:margin
[zoo.optimizers]
signs = own_parts:Signs
[zoo.schedulers]
steps = own_parts:Steps
"""
OPTIONS = (
    *("--model.loss", "squares", "--model.loss.scale", 2, "--model.metrics", "margin", "--optimizer", "signs"),
    *("--optimizer.lr", "0.001", "--lr_scheduler", "steps", "--model.warmup_steps", 100, "--data.num_workers", 0),
    *(
        "--data.batch_size",
        16,
        "--trainer.max_epochs",
        2,
        "--trainer.log_every_n_steps",
        10,
        "--data.augmentation",
        "crop",
    ),
)


def test_own_parts_resume_bit_for_bit_after_sigkill(install, zoo, zoo_process, tmp_path):
    install("own-parts", POINTS, PARTS, "own_parts")
    assert zoo("fit", "--run", "whole", *OPTIONS)[0] == 0
    killed = tmp_path / "runs" / "killed"
    process = zoo_process("fit", "--run", "killed", *OPTIONS)
    deadline = time.monotonic() + 120
    while not (killed / "metrics.csv").exists() or ",90," not in (killed / "metrics.csv").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(SIGKILL)
    process.wait()
    assert zoo("fit", killed)[0] == 0
    assert_equal_weights(killed, tmp_path / "runs" / "whole")
    status, out, err = zoo("test", killed)
    assert status == 0, err
    assert "test/margin" in out
