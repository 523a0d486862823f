"""Preprocessing, defined once: pixels of any size become the input of a network.

    uint8 (b, h, w, c) ──► (b, c, h, w) ──► scale and crop ──► (x / 255 - mean) / std

It is the first part of the network's graph, so training, evaluation, prediction and an exported file cannot disagree.

Scaling is Pillow's, to the last bit: averages with weights of 22 fractional bits, along rows and then along columns,
each rounded to whole levels. These sums are exact in float64, in whatever order a library adds them, so Pillow, torch
and the exported graph give equal images in every runtime. (Floating-point resizing differs by 1e-5 levels between
libraries; exact halves are common, and round in different directions then.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from zoo.core.spec import InputSpec
from zoo.images.files import as_user_errors
from zoo.images.threads import torch_threads
from zoo.runtime import Geometry

if TYPE_CHECKING:
    from PIL import Image

#: Fractional bits of Pillow's weights (PRECISION_BITS in its Resample.c).
WEIGHT_ONE = 2.0**22


class Preprocess(nn.Module):
    """Turns raw pixels into the input of a network, by an InputSpec.

    Args:
        spec: size, resize rule, mean and standard deviation.
        memory_format: of the result.
    """

    scale: Tensor
    shift: Tensor
    row_scale: Tensor
    row_shift: Tensor

    def __init__(self, spec: InputSpec, memory_format: torch.memory_format = torch.contiguous_format) -> None:
        super().__init__()
        self.spec, self.memory_format = spec, memory_format
        mean, std = torch.tensor(spec.mean), torch.tensor(spec.std)
        # Not in the state_dict: they come from the spec, which travels with the weights.
        self.register_buffer("scale", (1 / (255 * std)).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("shift", (-mean / std).view(1, -1, 1, 1), persistent=False)
        # The same for a row of pixels with channels last: a loop over 3 channels would take three times as long.
        for name, values in (("row_scale", self.scale), ("row_shift", self.shift)):
            self.register_buffer(name, values.flatten().repeat(spec.width), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the network's input.

        Args:
            images: uint8 ``(batch, height, width, channels)``, any size.

        Returns:
            ``(batch, channels, spec.height, spec.width)``, of the buffers' floating-point type.

        Raises:
            ValueError: the images are not uint8 or have another number of channels.
            ImageError: as ``resize_and_crop``.
        """
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[3] != self.spec.channels:
            raise ValueError(
                f"expected uint8 images (batch, height, width, {self.spec.channels}), "
                f"received {images.dtype} {tuple(images.shape)}"
            )
        pixels = images.permute(0, 3, 1, 2)
        if pixels.shape[-2:] != (self.spec.height, self.spec.width):
            pixels = resize_and_crop(pixels, self.spec)
        if self.memory_format == torch.channels_last:
            # The work is small: a second thread would wait for it in a busy loop, on a core that worker processes need.
            with torch_threads(1):
                rows = pixels.permute(0, 2, 3, 1).flatten(2).to(self.scale.dtype)
                torch.addcmul(self.row_shift, rows, self.row_scale, out=rows)
            return rows.view(-1, self.spec.height, self.spec.width, self.spec.channels).permute(0, 3, 1, 2)
        return self.normalise(pixels.to(self.scale.dtype, memory_format=self.memory_format))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Return ``(x / 255 - mean) / std``; x is floating ``(batch, channels, height, width)``, 0 to 255."""
        return torch.addcmul(self.shift, pixels, self.scale)

    def levels(self, inputs: Tensor) -> Tensor:
        """Return network input ``(batch, channels, height, width)`` as the nearest uint8 images, channels last."""
        pixels = (inputs - self.shift) / self.scale
        return pixels.float().round().clamp(0, 255).byte().movedim(1, -1)


def resize_and_crop(pixels: Tensor, spec: InputSpec) -> Tensor:
    """Scale images by the spec's fit, then cut out the centre; where the image does not reach, levels are 0.

    Args:
        pixels: ``(batch, channels, height, width)``, whole levels 0 to 255 of any dtype.
        spec: size and resize rule.

    Returns:
        float32 ``(batch, channels, spec.height, spec.width)``, whole levels 0 to 255.

    Raises:
        ImageError: the image is so long and thin that it would have over MAX_PIXELS after scaling.
    """
    height, width = pixels.shape[-2:]
    size = scaled_size(height, width, spec)
    first = geometry(spec).first_pixel
    columns = _weights(width, size[1], first(size[1], spec.width), spec.width, spec, pixels.device)
    rows = _weights(height, size[0], first(size[0], spec.height), spec.height, spec, pixels.device)
    pixels = _rounded(pixels.double() @ columns.T)
    return _rounded(rows @ pixels).float()


def to_uint8(image: Tensor | Image.Image, spec: InputSpec) -> Tensor:
    """Bring one image to the spec's size by Pillow, which is faster than ``resize_and_crop``.

    Args:
        image: uint8 ``(height, width, channels)``, or a PIL image of mode L (one channel) or RGB.
        spec: size and resize rule; its channels are not looked at.

    Returns:
        uint8 ``(spec.height, spec.width, channels)``, exactly the levels of ``resize_and_crop``.

    Raises:
        ImageError: as ``resize_and_crop``.
    """
    with as_user_errors():
        if isinstance(image, Tensor):
            same = image.shape[:2] == (spec.height, spec.width)
            return image if same else torch.from_numpy(geometry(spec).scale(image.numpy()))
        return torch.from_numpy(geometry(spec).scale(image))


def geometry(spec: InputSpec) -> Geometry:
    """Return the spec's size and resize rule, as ``zoo.runtime`` takes them."""
    return Geometry(spec.height, spec.width, **vars(spec.resize))


def scaled_size(height: int, width: int, spec: InputSpec) -> tuple[int, int]:
    """Return height and width of the scaled image: by the spec's fit, from its size divided by ``resize.crop``.

    Raises:
        ImageError: it would have over MAX_PIXELS.
    """
    # In an exported graph the sides of the image are symbols, hence torch's maximum and minimum; zoo.runtime checks
    # such images before it runs the graph.
    if torch.compiler.is_exporting():
        return geometry(spec).scaled_size(height, width, torch.sym_max, torch.sym_min)
    with as_user_errors():
        geometry(spec).require_moderate(height, width)
    return geometry(spec).scaled_size(height, width)


def first_pixels(size: tuple[int, int], spec: InputSpec) -> tuple[int, int]:
    """Return the row and the column of the scaled image at which the centre begins, negative where that is outside.

    Args:
        size: of the scaled image, ``(height, width)``.
        spec: size of the centre, and resize rule.
    """
    return geometry(spec).first_pixels(size)


def _weights(length: int, scaled: int, first: int, count: int, spec: InputSpec, device: torch.device) -> Tensor:
    """Return the weight of each pixel of a side in each pixel of the scaled side.

    Source: precompute_coeffs and normalize_coeffs_8bpc in Pillow's Resample.c, as loops.

    Args:
        length: pixels of the side.
        scaled: pixels of the side after scaling.
        first: the first scaled pixel; may be outside of the scaled side.
        count: how many scaled pixels; those outside get no weight.
        spec: the interpolation.
        device: of the result.

    Returns:
        float64 ``(count, length)``, whole numbers; each row adds up to about WEIGHT_ONE.
    """
    scale = length / torch.tensor(scaled, dtype=torch.float64, device=device)
    stretch = scale.clamp(min=1.0)  # a pixel of a smaller image averages the pixels it covers
    radius = stretch * (1 if spec.resize.interpolation == "bilinear" else 2)
    place = torch.arange(count, dtype=torch.float64, device=device) + first
    centre = (place + 0.5)[:, None] * scale
    position = torch.arange(length, dtype=torch.float64, device=device)
    inside = (position >= (centre - radius + 0.5).floor()) & (position < (centre + radius + 0.5).floor())
    distance = ((position - centre + 0.5) * (1 / stretch)).abs()
    weight = _triangle(distance) if spec.resize.interpolation == "bilinear" else _cubic(distance)
    weight = torch.where(inside, weight, 0.0)
    weight = weight / weight.sum(dim=1, keepdim=True) * WEIGHT_ONE
    if spec.resize.fit == "letterbox":  # the other fits reach everywhere
        weight = torch.where(((place >= 0) & (place < scaled))[:, None], weight, 0.0)
    return torch.where(weight < 0, (weight - 0.5).ceil(), (weight + 0.5).floor())


def _triangle(distance: Tensor) -> Tensor:
    return (1 - distance).clamp(min=0)


def _cubic(x: Tensor) -> Tensor:
    """R. Keys, "Cubic convolution interpolation for digital image processing" (1981), a = -1/2."""
    near, far = (1.5 * x - 2.5) * x * x + 1, (((x - 5) * x + 8) * x - 4) * -0.5
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def _rounded(sums: Tensor) -> Tensor:
    """Return weighted sums as whole levels."""
    return ((sums + WEIGHT_ONE / 2) / WEIGHT_ONE).floor().clamp(0, 255)
