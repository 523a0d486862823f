"""timm's image classification networks as a family of zoo: ``timm/<name>``.

Source: R. Wightman, "PyTorch Image Models" (2019), https://github.com/huggingface/pytorch-image-models
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zoo import InputSpec, UserError
from zoo_timm import weights
from zoo_timm.cache import cached

if TYPE_CHECKING:
    from torch import nn

__all__ = ["builder", "names"]


def names() -> list[str]:
    """Return timm's names of networks, from the cache where its version was asked before: its import takes seconds."""

    def ask() -> list[str]:
        import timm

        models: list[str] = timm.list_models()
        return models

    return cached("", ask)


def builder(name: str) -> Callable[..., nn.Module]:
    """Return the builder of one of timm's networks.

    Args:
        name: timm's name of it, such as ``resnet18``.
    """

    def build(spec: InputSpec, drop_rate: float = 0.0) -> nn.Module:
        if not 0 <= drop_rate < 1:
            raise UserError(f"drop_rate is {drop_rate}; allowed is 0 or more and less than 1")
        return _build(name, spec, drop_rate)

    build.__name__ = name
    build.__doc__ = f"""timm's {name}, with fresh weights.

    Source: https://github.com/huggingface/pytorch-image-models

    Args:
        spec: classes, channels and size.
        drop_rate: probability, in [0, 1), of zeroing a feature before the last layer while training.

    Raises:
        UserError: drop_rate is outside [0, 1), or the network cannot work on the spec.
    """
    build.weights = lambda: weights.published(name)  # type: ignore[attr-defined]  # what zoo.models.weights looks for
    return build


def _build(name: str, spec: InputSpec, drop_rate: float) -> nn.Module:
    import timm
    from timm.models import get_pretrained_cfg

    options: dict[str, Any] = {"num_classes": len(spec.classes), "in_chans": spec.channels, "drop_rate": drop_rate}
    known = get_pretrained_cfg(name)
    if known is not None and known.fixed_input_size:  # built for one size of image
        options["img_size"] = (spec.height, spec.width)
    try:
        network: nn.Module = timm.create_model(name, pretrained=False, **options)
        _try(network, spec)
    except (RuntimeError, ValueError, AssertionError, TypeError, ZeroDivisionError) as error:
        size = "" if known is None else f"; timm's own size for it is {known.input_size[1]}"
        raise UserError(
            f"timm/{name} cannot work on {spec.height}x{spec.width} images of {spec.channels} channel(s): "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}{size} (--data.image_size)"
        ) from error
    return network


def _try(network: nn.Module, spec: InputSpec) -> None:
    """Pass two images through, so that a size the network cannot work at is known before training."""
    import torch

    network.eval()
    with torch.no_grad():
        network(torch.zeros(2, spec.channels, spec.height, spec.width))
    network.train()
