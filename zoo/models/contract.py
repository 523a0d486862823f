"""What a builder of networks and its network must return; zoo.testing and zoo doctor check the same clauses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from zoo.core.errors import UserError, brief
from zoo.core.foreign import is_from_outside
from zoo.core.registry import titled

#: What a network must return, in words that errors share.
LOGITS = "it must return logits, a floating tensor"


class BrokenNetworkError(UserError):
    """A network breaks a clause of the contract, which the message names."""


def broken(architecture: str, clause: str) -> BrokenNetworkError:
    """Return the error of an architecture that breaks a clause."""
    return BrokenNetworkError(f"{titled('architecture', architecture)} breaks the contract: {clause}")


def require_module(architecture: str, network: Any) -> nn.Module:
    """Return what a builder returned.

    Raises:
        BrokenNetworkError: it is no ``nn.Module``, or its weights are not there, or are float64.
    """
    if not isinstance(network, nn.Module):
        raise broken(architecture, f"it must return an nn.Module, received {type(network).__name__}")
    usual = torch.get_default_device().type, torch.get_default_dtype()
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if is_lazy(tensor):
            raise broken(
                architecture,
                f"its weights must be there when it is built, '{name}' is lazy; give that layer the size of its input",
            )
        if tensor.is_meta and usual[0] != "meta":
            raise broken(
                architecture,
                f"its weights must be numbers when it is built, '{name}' is on the meta device; build it on the CPU",
            )
        if tensor.dtype == torch.float64 and isinstance(tensor, nn.Parameter) and usual[1] != torch.float64:
            raise broken(architecture, f"its weights must be float32, '{name}' is float64")
    return network


def require_logits(
    architecture: str, network: nn.Module, logits: Any, images: int, classes: int, *, trained: bool = False
) -> Tensor:
    """Return the logits of a batch.

    Args:
        architecture: the registered name.
        network: that returned them.
        logits: what it returned.
        images: of the batch.
        classes: of the data.
        trained: whether a loss of these logits is to train the network.

    Raises:
        BrokenNetworkError: they are no floating tensor ``(images, classes)``, are float64 though the weights are not,
            or carry no gradient where they train it.
    """
    expected = f"{LOGITS} {(images, classes)}"
    if not isinstance(logits, Tensor):
        raise broken(architecture, f"{expected}, received {_described(logits)}")
    if logits.shape != (images, classes):
        raise broken(architecture, f"{expected}, received {tuple(logits.shape)}")
    if not logits.is_floating_point():
        raise broken(architecture, f"{expected}, received {logits.dtype}")
    if logits.dtype == torch.float64 and all(weight.dtype != torch.float64 for weight in network.parameters()):
        raise broken(architecture, f"{expected} of the type of its weights, received {logits.dtype}")
    if trained and not logits.requires_grad and any(w.requires_grad for w in network.parameters()):
        raise broken(
            architecture, "its logits must carry a gradient in training; leave detach() and torch.no_grad() out"
        )
    return logits


@contextmanager
def network_errors(architecture: str) -> Iterator[None]:
    """Name the architecture whose network raises an error; as ``zoo.core.foreign.errors_of``, without its title.

    Raises:
        UserError: in place of what the network raises; errors of compiling it, of full memory and of zoo's stay.
    """
    try:
        yield
    except BaseException as error:
        if is_from_outside(error) or type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        raise UserError(f"{titled('architecture', architecture)} raises {brief(error)}") from error


def _described(value: Any) -> str:
    """Name the type of a value, and those in a tuple or a mapping."""
    if isinstance(value, tuple | list):
        return f"{type(value).__name__} of {', '.join(type(each).__name__ for each in value[:4])}"
    if isinstance(value, dict):
        return f"{type(value).__name__} with {', '.join(map(repr, list(value)[:4]))}"
    return type(value).__name__
