"""Preprocessing, defined once: pixels of any size become what the network was trained on.

    uint8 (b, h, w, c) ──► float (b, c, h, w) ──► scale and crop ──► round ──► (x / 255 - mean) / std

It is the first part of the network's graph, so training, evaluation, prediction and an exported file cannot disagree.
Resized pixels are rounded to whole levels, so that an image resized ahead of time, kept as uint8, gives the same
numbers as one resized inside the graph.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from zoo.errors import ImageError
from zoo.images import MAX_PIXELS
from zoo.spec import InputSpec


class Preprocess(nn.Module):
    """Raw pixels to network input, by an InputSpec.

    Args:
        spec: size, resize rule, mean and standard deviation.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.spec = spec
        mean, std = torch.tensor(spec.mean), torch.tensor(spec.std)
        # Not in the state: the spec travels with the weights, and is the one place they come from.
        self.register_buffer("scale", (1 / (255 * std)).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("shift", (-mean / std).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the network's input.

        Args:
            images: uint8 ``(batch, height, width, channels)``, any size.

        Returns:
            ``(batch, channels, spec.height, spec.width)``, of the parameters' floating type.

        Raises:
            ValueError: the images are not uint8 or have another number of channels.
        """
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[3] != self.spec.channels:
            raise ValueError(
                f"expected uint8 images (batch, height, width, {self.spec.channels}), "
                f"received {images.dtype} {tuple(images.shape)}"
            )
        pixels = images.permute(0, 3, 1, 2)
        if pixels.shape[-2:] != (self.spec.height, self.spec.width):
            pixels = resize_and_crop(pixels.float(), self.spec)
        return torch.addcmul(self.shift, pixels.to(self.scale.dtype), self.scale)


def resize_and_crop(pixels: Tensor, spec: InputSpec) -> Tensor:
    """Scale images until they cover the spec's size, cut out the centre, and round to whole levels.

    Args:
        pixels: float32 ``(batch, channels, height, width)``, 0 to 255.
        spec: the size and the resize rule.

    Returns:
        float32 ``(batch, channels, spec.height, spec.width)``, whole numbers 0 to 255.

    Raises:
        ImageError: the image is so long and thin that scaling it to cover the size would take over MAX_PIXELS.
    """
    height, width = pixels.shape[-2:]
    cover = round(spec.height / spec.resize.crop), round(spec.width / spec.resize.crop)
    if width * cover[0] >= height * cover[1]:
        size = cover[0], width * cover[0] // height
    else:
        size = height * cover[1] // width, cover[1]
    if size[0] * size[1] > MAX_PIXELS:
        raise ImageError(f"an image of {height}x{width} pixels is too long and thin for {spec.height}x{spec.width}")
    if size != (height, width):
        pixels = interpolate(pixels, size, mode=spec.resize.interpolation, align_corners=False, antialias=True)
    top, left = _half(size[0] - spec.height), _half(size[1] - spec.width)
    pixels = pixels[..., top : top + spec.height, left : left + spec.width]
    return pixels.round().clamp(0, 255)


def _half(margin: int) -> int:
    """Return half of a margin, a half pixel rounded to even: where torchvision's CenterCrop begins."""
    return (margin + margin // 2 % 2) // 2


def to_uint8(image: Tensor, spec: InputSpec) -> Tensor:
    """Bring one image to the spec's size ahead of time.

    Args:
        image: uint8 ``(height, width, channels)``.
        spec: the size and the resize rule.

    Returns:
        uint8 ``(spec.height, spec.width, channels)``, the very levels that ``Preprocess`` would see.

    Raises:
        ImageError: as ``resize_and_crop``.
    """
    if image.shape[:2] == (spec.height, spec.width):
        return image
    pixels = image.permute(2, 0, 1)[None].float()
    return resize_and_crop(pixels, spec)[0].permute(1, 2, 0).to(torch.uint8)
