"""A network that breaks its contract is named with its distribution and the clause."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from zoo.core.spec import InputSpec
from zoo.models.contract import BrokenNetworkError, require_logits, require_module

SPEC = InputSpec(("a", "b"), 1, 8, 8, (0.5,), (0.25,))


def lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(2))


def meta():
    return nn.Linear(4, 2, device="meta")


def double():
    return nn.Linear(4, 2, dtype=torch.float64)


@pytest.mark.parametrize(
    ("build", "clause"),
    [
        (lambda: None, "must return an nn.Module, received NoneType"),
        (lambda: "net", "must return an nn.Module, received str"),
        (lambda: len, "must return an nn.Module, received builtin_function_or_method"),
        (lambda: nn.Linear, "must return an nn.Module, received type"),
        (lazy, r"its weights must be there when it is built, '1\.weight' is lazy"),
        (meta, "its weights must be numbers when it is built, 'weight' is on the meta device"),
        (double, "its weights must be float32, 'weight' is float64"),
    ],
)
def test_what_a_builder_must_return(build, clause):
    with pytest.raises(BrokenNetworkError, match=rf"architecture 'net' breaks the contract: .*{clause}"):
        require_module("net", build())


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        (lambda logits: (logits, logits), r"logits, a floating tensor \(3, 2\), received tuple of Tensor, Tensor"),
        (lambda logits: {"logits": logits}, "received dict with 'logits'"),
        (lambda logits: None, "received NoneType"),
        (lambda logits: 3, "received int"),
        (lambda logits: logits[:, :1], r"received \(3, 1\)"),
        (lambda logits: logits.long(), r"received torch\.int64"),
        (lambda logits: logits.double(), r"of the type of its weights, received torch\.float64"),
        (lambda logits: logits.detach(), r"must carry a gradient in training"),
    ],
)
def test_what_a_network_must_return(change, clause):
    network = nn.Linear(4, 2)
    logits = network(torch.zeros(3, 4))
    assert require_logits("net", network, logits, 3, 2) is logits
    with pytest.raises(BrokenNetworkError, match=clause):
        require_logits("net", network, change(logits), 3, 2, trained=True)


def test_logits_without_a_gradient_are_right_in_evaluation_and_where_nothing_trains():
    network = nn.Linear(4, 2)
    with torch.no_grad():
        require_logits("net", network, network(torch.zeros(3, 4)), 3, 2)
    require_logits("net", nn.Flatten(), torch.zeros(3, 2), 3, 2, trained=True)


NETWORKS = """
import torch
from torch import nn


class Net(nn.Sequential):
    def __init__(self, spec, classes=0):
        pixels = spec.channels * spec.height * spec.width
        super().__init__(nn.Flatten(), nn.Linear(pixels, classes or len(spec.classes)))
        self.steps = 0

    def forward(self, images):
        self.steps += self.training
        self.meet()
        return super().forward(images)

    def meet(self): ...


class Raises(Net):
    def meet(self):
        raise KeyError("mine")


class Interrupts(Net):
    def meet(self):
        raise KeyboardInterrupt


class Late(Net):
    def meet(self):
        if self.steps == 3:
            raise KeyError("mine")


class Hungry(Net):
    def meet(self):
        torch.empty(1 << 50)


class LateHungry(Net):
    def meet(self):
        if self.steps == 3:
            torch.empty(1 << 50)


def seven(spec): return Net(spec, 7)
"""

SHORT = ("--trainer.max_epochs", 2, "--trainer.limit_train_batches", 2, "--data.num_workers", 0, "--run", "own")


@pytest.fixture
def fit(zoo, install):
    """Train one of these networks; return the status and the line of the error."""
    names = ("Raises", "Interrupts", "Late", "Hungry", "LateHungry", "seven")
    points = "".join(f"{name.lower()} = odd_networks:{name}\n" for name in names)
    install("odd-networks", f"[zoo.architectures]\n{points}", NETWORKS, "odd_networks")

    def run(name):
        status, _, err = zoo("fit", "--model", name, *SHORT)
        [line] = [line for line in err.splitlines() if line.startswith("error: ")]
        return status, line

    return run


TITLE = "error: architecture '{}' of odd-networks 1.0"


def test_networks_that_fail_are_named_before_a_run_is_left(fit, tmp_path):
    clause = "breaks the contract: it must return logits, a floating tensor (1, 10), received (1, 7)"
    assert fit("seven") == (2, f"{TITLE.format('seven')} {clause}")
    assert fit("raises") == (2, f"{TITLE.format('raises')} raises KeyError: 'mine'")
    assert fit("interrupts") == (2, f"{TITLE.format('interrupts')} raises KeyboardInterrupt")
    assert not (tmp_path / "runs" / "own").exists()


def test_a_network_that_fails_later_is_a_failed_run_with_the_command_that_resumes(fit):
    status, line = fit("late")
    assert status == 1
    assert line == f"{TITLE.format('late')} raises KeyError: 'mine'; resume with: zoo fit runs/own"


@pytest.mark.parametrize(("name", "kept"), [("hungry", "there is no checkpoint yet"), ("latehungry", "is kept")])
def test_full_memory_suggests_a_smaller_batch(fit, name, kept):
    status, line = fit(name)
    assert status == 1
    assert "error: out of memory at batch size 32; try a smaller batch: --data.batch_size 16; " in line
    assert kept in line
