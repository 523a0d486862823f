"""The contract of tasks, callbacks and loggers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers.logger import Logger
from torch import Tensor

from zoo.core.spec import InputSpec
from zoo.runs.logged import LoggedRun
from zoo.testing.contract import builder_of, require
from zoo.testing.parts import saved
from zoo.training.task import ImageClassifier, loss_of

#: Images of the batch that a task is tried on, and classes.
IMAGES, CLASSES = 8, 4


def check_task(task: str | type[ImageClassifier], *, architecture: str = "lenet5", **options: Any) -> None:
    """Check that a task keeps its contract (``zoo.training.tasks``): its step gives a loss that trains every parameter.

    Args:
        task: a registered name, or a class.
        architecture: of the network, on grey images of 8x8 pixels.
        **options: the task's own.

    Raises:
        ContractError: a rule is broken; the message states the first one.
        UserError: the name is unknown, or the task refuses the options.
    """
    kind = builder_of("task", task)
    known = inspect.isclass(kind) and issubclass(kind, ImageClassifier)
    require(known, f"a task is a subclass of zoo.ImageClassifier, received {kind!r}")
    spec = InputSpec(tuple(map(str, range(CLASSES))), 1, 8, 8, (0.5,), (0.25,))
    images = torch.randint(0, 256, (IMAGES, 8, 8, 1), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    batch = images, torch.arange(IMAGES) % CLASSES
    torch.manual_seed(0)
    first, second = (kind(spec, architecture, **options) for _ in range(2))
    second.load_state_dict(saved(first.state_dict()))
    losses = []
    for module in (first, second):
        torch.manual_seed(1)
        output = module.training_step(batch, 0)
        require(
            isinstance(output, Tensor) or (isinstance(output, Mapping) and "loss" in output),
            f"training_step returns the loss or a dict with the key loss, received {type(output).__name__}",
        )
        loss = loss_of(output)
        require(loss.numel() == 1 and loss.is_floating_point(), f"a loss is one number, received {tuple(loss.shape)}")
        require(bool(loss.isfinite()), "the loss is finite")
        losses.append(float(loss.detach()))
        torch.autograd.backward(loss)
    require(losses[0] == losses[1], "with equal weights and random numbers two tasks have equal losses")
    for name, parameter in first.named_parameters():
        require(parameter.grad is not None or not parameter.requires_grad, f"{name} gets a gradient")


def check_callback(callback: str | Callable[..., Callback], **options: Any) -> None:
    """Check that a callback keeps its contract: it is Lightning's, and checkpoints can hold its state.

    Args:
        callback: a registered name, or a builder.
        **options: of the builder.

    Raises:
        ContractError: a rule is broken; the message states the first one.
        UserError: the name is unknown.
    """
    builder = builder_of("callback", callback)
    first, second = builder(**options), builder(**options)
    require(isinstance(first, Callback), f"a builder returns a lightning Callback, received {type(first).__name__}")
    state = first.state_dict()
    second.load_state_dict(saved(state))
    require(second.state_dict() == state, "the state that was saved is that of the callback that loads it")


def check_logger(logger: str | Callable[..., Logger], *, folder: str | Path, **options: Any) -> None:
    """Check that a logger keeps its contract (``zoo.training.loggers``): it takes all that zoo gives it.

    Args:
        logger: a registered name, or a builder.
        folder: of the run that it logs.
        **options: of the builder.

    Raises:
        ContractError: a rule is broken; the message states the first one.
        UserError: the name is unknown.
    """
    builder = builder_of("logger", logger)
    built = builder(LoggedRun(Path(folder).absolute()), **options)
    require(isinstance(built, Logger), f"a builder returns a lightning Logger, received {type(built).__name__}")
    require(built.version is None or bool(str(built.version)), "version names the run for the tracker")
    built.log_hyperparams({"model.architecture.name": "lenet5", "optimizer.init_args.lr": 0.001})
    for step in (1, 2):
        built.log_metrics({"epoch": 0, "val/accuracy": 0.5, "train/loss": 1.5}, step)
    built.finalize("success")
    file = Path(folder) / "report.html"
    file.write_text("<p>report</p>", encoding="utf-8")
    if hasattr(built, "log_files"):
        built.log_files([file], 2)
    if hasattr(built, "close"):
        built.close()
