"""The contract of losses, metrics, optimizers and schedulers."""

from __future__ import annotations

import copy
import inspect
import io
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torchmetrics import Metric

from zoo.core.spec import InputSpec
from zoo.testing.contract import builder_of, require

#: Steps before and after a state is saved and loaded.
STEPS = 5


def check_loss(loss: str | Callable[..., Any], *, classes: Sequence[int] = (2, 10), **options: Any) -> None:
    """Check that a loss keeps its contract (``zoo.training.loss``): a finite number for each image, with a gradient.

    Args:
        loss: a registered name, or a builder.
        classes: numbers of classes; each is tried.
        **options: of the builder.

    Raises:
        ContractError: a rule is broken; the message states the first one.
        UserError: the name is unknown, or the builder refuses the options.
    """
    builder = builder_of("loss", loss)
    for count in classes:
        function = builder(_spec(count), **options)
        require(callable(function), f"a builder of losses returns a function, received {type(function).__name__}")
        if isinstance(function, nn.Module):
            state = [*function.state_dict(), *dict(function.named_parameters())]
            require(not state, f"a loss has no parameters and no state, received {', '.join(state)}")
        logits, labels = _batch(count)
        whole = nn.functional.one_hot(labels, count).float()
        for shares in (whole, whole * 0.8 + 0.2 / count):
            _check_values(function, logits, shares)
        right, wrong = function(4 * whole, whole).sum(), function(-4 * whole, whole).sum()
        require(bool(right < wrong), "right logits have a lower loss than wrong ones")


def check_metric(metric: str | Callable[..., Any], *, classes: Sequence[int] = (2, 10), **options: Any) -> None:
    """Check that a metric keeps its contract (``zoo.training.metrics``): one number, the same for any batches.

    Args:
        metric: a registered name, or a builder.
        classes: numbers of classes; each is tried.
        **options: of the builder.

    Raises:
        ContractError: a rule is broken; the message states the first one.
        UserError: the name is unknown, or the builder refuses the options.
    """
    builder = builder_of("metric", metric)
    for count in classes:
        built = builder(_spec(count), **options)
        require(isinstance(built, Metric), f"a builder returns a torchmetrics.Metric, received {type(built).__name__}")
        logits, labels = _batch(count)
        built.update(logits, labels)
        once = torch.as_tensor(built.compute())
        require(once.numel() == 1, f"compute() returns one number, received {tuple(once.shape)}")
        require(bool(once.isfinite().all()), "its number is finite")
        built.reset()
        for part in (slice(0, 5), slice(5, None)):
            built.update(logits[part], labels[part])
        require(torch.allclose(torch.as_tensor(built.compute()), once), "two batches give the number of one")
        copied = copy.deepcopy(built)
        require(torch.allclose(torch.as_tensor(copied.compute()), once), "a copy gives the same number")


def check_optimizer(optimizer: str | type[Optimizer], **options: Any) -> None:
    """Check that an optimizer keeps its contract: it trains, and its saved state continues bit for bit.

    Args:
        optimizer: a registered name, or a class.
        **options: of the class.

    Raises:
        ContractError: a rule is broken; the message states the first one.
        UserError: the name is unknown.
    """
    kind = builder_of("optimizer", optimizer)
    require(
        inspect.isclass(kind) and issubclass(kind, Optimizer), f"an optimizer is a class of torch's, received {kind!r}"
    )
    first = _matrix()
    start, built = first.detach().clone(), kind([first], **options)
    losses = [_step(first, built) for _ in range(STEPS)]
    require(not torch.equal(first, start), "a step changes the parameters")
    second = nn.Parameter(first.detach().clone())
    resumed = kind([second], **options)
    resumed.load_state_dict(saved(built.state_dict()))
    losses += [_step(first, built) for _ in range(STEPS)]
    for _ in range(STEPS):
        _step(second, resumed)
    require(torch.equal(first, second), "with the state that was saved, it continues bit for bit")
    require(losses[-1] < losses[0], f"the loss of a line falls in {2 * STEPS} steps, received {losses}")


def check_scheduler(scheduler: str | type[LRScheduler], **options: Any) -> None:
    """Check that a scheduler keeps its contract: finite rates, and its saved state continues bit for bit.

    Args:
        scheduler: a registered name, or a class.
        **options: of the class.

    Raises:
        ContractError: a rule is broken; the message states the first one.
        UserError: the name is unknown.
    """
    kind = builder_of("scheduler", scheduler)
    require(
        inspect.isclass(kind) and issubclass(kind, LRScheduler), f"a scheduler is a class of torch's, received {kind!r}"
    )
    optimizers = [SGD([_matrix()], lr=0.1, momentum=0.9) for _ in range(2)]
    built, resumed = (kind(optimizer, **options) for optimizer in optimizers)
    _rates(built, optimizers[0])
    optimizers[1].load_state_dict(saved(optimizers[0].state_dict()))
    resumed.load_state_dict(saved(built.state_dict()))
    rates, again = (_rates(own, optimizer) for own, optimizer in zip((built, resumed), optimizers, strict=True))
    require(all(0 <= rate < float("inf") for rate in rates), f"rates are finite and 0 or more, received {rates}")
    require(rates == again, "with the state that was saved, it continues bit for bit")


def _spec(classes: int) -> InputSpec:
    return InputSpec(tuple(map(str, range(classes))), 1, 8, 8, (0.5,), (0.25,))


def _batch(classes: int) -> tuple[Tensor, Tensor]:
    """Return logits float32 ``(3 * classes, classes)`` and labels, each class three times."""
    logits = torch.randn(3 * classes, classes, generator=torch.Generator().manual_seed(0))
    return logits, torch.arange(3 * classes) % classes


def _check_values(function: Callable[..., Any], logits: Tensor, shares: Tensor) -> None:
    logits = logits.clone().requires_grad_()
    untouched, shares_before = logits.detach().clone(), shares.clone()
    losses = function(logits, shares)
    received = f"{tuple(losses.shape)}" if isinstance(losses, Tensor) else type(losses).__name__
    require(
        isinstance(losses, Tensor) and losses.shape == (len(logits),),
        f"a loss is a number for each image, {(len(logits),)}, received {received}",
    )
    require(bool(losses.isfinite().all()), "losses are finite")
    require(torch.equal(logits, untouched) and torch.equal(shares, shares_before), "it leaves its input as it is")
    torch.autograd.backward(losses.sum())
    require(logits.grad is not None and bool(logits.grad.isfinite().all()), "logits get a finite gradient")
    alone = torch.cat([function(logits[at : at + 1], shares[at : at + 1]) for at in range(len(logits))])
    require(torch.allclose(alone, losses, atol=1e-5), "the loss of an image depends on it alone")


def _matrix() -> nn.Parameter:
    return nn.Parameter(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))


def _step(matrix: nn.Parameter, optimizer: Optimizer) -> float:
    """Take a step towards a matrix of ones, and return the loss before it."""

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (matrix - 1).square().sum()
        torch.autograd.backward(loss)
        return loss

    loss: object = optimizer.step(closure)  # type: ignore[arg-type]  # torch says a closure returns a float
    return float(loss.detach() if isinstance(loss, Tensor) else loss)  # type: ignore[arg-type]


def _rates(scheduler: LRScheduler, optimizer: Optimizer) -> list[float]:
    rates = []
    for _ in range(STEPS):
        optimizer.step()
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(1.0)
        else:
            scheduler.step()
        rates += [float(group["lr"]) for group in optimizer.param_groups]
    return rates


def saved(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state as a checkpoint gives it back, which holds primitives and tensors alone."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    content: dict[str, Any] = torch.load(file, weights_only=True)
    return content
