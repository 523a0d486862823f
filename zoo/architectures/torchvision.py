"""torchvision's classification networks, for any classes, channels and size: ``torchvision/<name>``, and VGG.

The networks are torchvision's own (https://docs.pytorch.org/vision/stable/models.html), with fresh weights; the
published ones, trained on ImageNet, are chosen by name. Two layers fit the data: the last one has a logit for each
class, and the first convolution takes the channels of images that are not RGB. Differences from torchvision:
``googlenet`` and ``inception_v3`` have no auxiliary classifiers, and so return logits alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from zoo.core.errors import UserError
from zoo.core.spec import InputSpec, Resize
from zoo.models.weights import PublishedWeights

if TYPE_CHECKING:
    from torch import nn

#: Listed here so that ``zoo list`` does not import torchvision; a test compares them with torchvision's own list.
NAMES = """
alexnet convnext_base convnext_large convnext_small convnext_tiny densenet121 densenet161 densenet169 densenet201
efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6
efficientnet_b7 efficientnet_v2_l efficientnet_v2_m efficientnet_v2_s googlenet inception_v3 maxvit_t mnasnet0_5
mnasnet0_75 mnasnet1_0 mnasnet1_3 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small regnet_x_16gf regnet_x_1_6gf
regnet_x_32gf regnet_x_3_2gf regnet_x_400mf regnet_x_800mf regnet_x_8gf regnet_y_128gf regnet_y_16gf regnet_y_1_6gf
regnet_y_32gf regnet_y_3_2gf regnet_y_400mf regnet_y_800mf regnet_y_8gf resnet101 resnet152 resnet18 resnet34
resnet50 resnext101_32x8d resnext101_64x4d resnext50_32x4d shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5
shufflenet_v2_x2_0 squeezenet1_0 squeezenet1_1 swin_b swin_s swin_t swin_v2_b swin_v2_s swin_v2_t vgg11 vgg11_bn
vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn vit_b_16 vit_b_32 vit_h_14 vit_l_16 vit_l_32 wide_resnet101_2
wide_resnet50_2
""".split()  # noqa: SIM905  # 80 names are easier to read and compare without quotes

#: Prefixes of networks that are built for one image size.
SIZED = ("vit_", "maxvit_")

#: Last side that the search for the smallest possible image tries; no network here needs more.
LARGEST_SIDE = 320


def names() -> list[str]:
    """Return the names of the family."""
    return NAMES


def builder(name: str) -> Callable[[InputSpec], nn.Module]:
    """Return the builder of one of torchvision's classification networks.

    Args:
        name: torchvision's name of the network.
    """

    def build(spec: InputSpec) -> nn.Module:
        return _fitted(name, spec)

    build.__name__ = name
    build.__doc__ = f"""torchvision's {name}, with fresh weights, for any classes, channels and possible size.

    Source: https://docs.pytorch.org/vision/stable/models.html

    Args:
        spec: classes, channels and size.

    Raises:
        UserError: the network cannot work at the size; the message names the smallest square that it can.
    """
    build.weights = lambda: _weights(name)  # type: ignore[attr-defined]  # zoo.models.weights reads it
    return build


def _vgg(name: str) -> Callable[..., nn.Module]:
    """Return the builder of a VGG."""

    def build(spec: InputSpec, dropout: float = 0.5) -> nn.Module:
        if not 0 <= dropout < 1:
            raise UserError(f"dropout is {dropout}; allowed is 0 or more and less than 1")
        return _fitted(name, spec, dropout=dropout)

    depth = re.findall(r"\d+", name)[0]
    normalised = ", with batch normalisation" if name.endswith("_bn") else ""
    build.__name__ = name
    build.__doc__ = f"""VGG with {depth} layers{normalised}: torchvision's, with fresh weights, from 32 pixels a side.

    Source: K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (2014),
    https://arxiv.org/abs/1409.1556

    Args:
        spec: classes, channels and size.
        dropout: probability, in [0, 1), of zeroing a feature of the two hidden dense layers while training.

    Raises:
        UserError: the images are smaller than 32 pixels, or dropout is outside [0, 1).
    """
    build.weights = lambda: _weights(name)  # type: ignore[attr-defined]  # zoo.models.weights reads it
    return build


vgg11, vgg13, vgg16, vgg19 = (_vgg(f"vgg{depth}") for depth in (11, 13, 16, 19))
vgg11_bn, vgg13_bn, vgg16_bn, vgg19_bn = (_vgg(f"vgg{depth}_bn") for depth in (11, 13, 16, 19))


def _fitted(name: str, spec: InputSpec, **options: Any) -> nn.Module:
    """Build a network for a spec, or raise UserError if it cannot work at the size."""
    network = _build_for(name, spec, spec.height, spec.width, options)
    if network is not None and _works(network, spec.channels, spec.height, spec.width):
        return network
    for side in range(1, LARGEST_SIDE + 1):
        if network is None or name.startswith(SIZED):
            network = _build_for(name, spec, side, side, options)
        if network is not None and _works(network, spec.channels, side, side):
            break
    raise UserError(
        f"{name} cannot work at {spec.height}x{spec.width} pixels; the smallest square it can is {side} "
        f"(--data.image_size {side})"
    )


def _works(network: nn.Module, channels: int, height: int, width: int) -> bool:
    """Tell whether a network takes images of a size, by passing shapes through it; nothing is computed."""
    from zoo.models.shapes import run_shapes

    try:
        run_shapes(network, channels, height, width)
    except (RuntimeError, ValueError, AssertionError, ZeroDivisionError):
        return False
    return True


def _build_for(name: str, spec: InputSpec, height: int, width: int, options: dict[str, Any]) -> nn.Module | None:
    """Build a network, or return None if it refuses the size."""
    try:
        return _build(name, len(spec.classes), spec.channels, height, width, options)
    except (RuntimeError, ValueError, AssertionError, ZeroDivisionError):
        return None


def _build(name: str, classes: int, channels: int, height: int, width: int, options: dict[str, Any]) -> nn.Module:
    from torchvision.models import get_model

    if name.startswith("vit_"):
        if height != width:
            raise ValueError("a vision transformer takes square images")
        options = {"image_size": height, **options}
    elif name.startswith("maxvit_"):
        options = {"input_size": (height, width), **options}
    elif name in ("googlenet", "inception_v3"):
        # init_weights takes minutes, because scipy draws from a truncated normal; PyTorch's own initialisation stays.
        options = {"aux_logits": False, "init_weights": False, **options}
    network: nn.Module = get_model(name, weights=None, num_classes=classes, **options)
    if channels != 3:
        _fit_channels(network, channels)
    return network


def _fit_channels(network: nn.Module, channels: int) -> None:
    """Replace the first convolution by one with another number of input channels and fresh weights."""
    from torch import nn

    path, first = next((path, module) for path, module in network.named_modules() if isinstance(module, nn.Conv2d))
    parent, _, attribute = path.rpartition(".")
    convolution = nn.Conv2d(
        channels,
        first.out_channels,
        first.kernel_size,  # type: ignore[arg-type]  # pairs, which is what Conv2d keeps and takes
        first.stride,  # type: ignore[arg-type]
        first.padding,  # type: ignore[arg-type]
        bias=first.bias is not None,
    )
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    setattr(network.get_submodule(parent), attribute, convolution)


#: Both were trained in TensorFlow on pixels from -1 to 1. torchvision converts ImageNet's normalisation to that inside
#: the network (``transform_input``); zoo normalises to it directly.
FROM_TENSORFLOW = ("googlenet", "inception_v3")

#: Keys of DenseNet's files have dots where module names may no longer have them: ``denselayer1.norm.1.weight``.
DENSENET_KEY = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")


def _weights(name: str) -> Mapping[str, PublishedWeights]:
    """Return the weights that torchvision publishes for a network, by name; ``DEFAULT``, the best, comes last.

    Each has the preprocessing of torchvision's preset and ImageNet's class names. Weights without a classifier are left
    out.
    """
    from torchvision.models import get_model_weights

    weights = get_model_weights(name)
    by_name = {entry.name: _published(name, entry) for entry in weights if entry.meta["categories"]}
    return {**by_name, "DEFAULT": by_name[weights.DEFAULT.name]}


def _published(name: str, entry: Any) -> PublishedWeights:
    """Return a member of torchvision's ``WeightsEnum`` as PublishedWeights."""
    preset = entry.transforms()
    mean, std = tuple(preset.mean), tuple(preset.std)
    if name in FROM_TENSORFLOW:
        mean = std = (0.5, 0.5, 0.5)
    [side], [scaled] = preset.crop_size, preset.resize_size
    resize = Resize(side / scaled, preset.interpolation.value)
    spec = InputSpec(tuple(entry.meta["categories"]), 3, side, side, mean, std, resize)
    # The file names end in the first digits of their SHA-256, which torch.hub checks too.
    digits = entry.url.rpartition("-")[2].removesuffix(".pth")
    size = f"{entry.meta['_file_size']:.0f} MB"
    return PublishedWeights(entry.url, f"sha256:{digits}", spec, size, partial(_key, name))


def _key(name: str, key: str) -> str | None:
    """Return the network's key for a key of the file; None for auxiliary classifiers, which are not built."""
    if name in FROM_TENSORFLOW and key.startswith(("aux", "AuxLogits")):
        return None
    if old := DENSENET_KEY.fullmatch(key):
        return old[1] + old[2]
    return key
