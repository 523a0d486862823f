"""Build a network whose weights are loaded right after, without drawing random ones first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

#: What fills a tensor with random numbers, and what then changes them (``trunc_normal_``, ``orthogonal_``).
DRAWING = {
    torch.ops.aten.uniform_.default,
    torch.ops.aten.normal_.default,
    torch.ops.aten.bernoulli_.float,
    torch.ops.aten.erfinv_.default,
}


class _NoDrawing(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Leaves tensors of DRAWING as they are."""

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return args[0] if func in DRAWING else func(*args, **(kwargs or {}))


@contextmanager
def without_random_weights() -> Iterator[None]:
    """Leave out random numbers while a network is built; drawing those of VGG16 takes seconds.

    Weights have any values until they are loaded. torch's state of random numbers stays as it is.
    """
    with _NoDrawing():  # type: ignore[no-untyped-call]
        yield
