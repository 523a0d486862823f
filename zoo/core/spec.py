"""InputSpec: what a network needs to know about its data, and an application about its network."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from zoo.core.errors import UserError

Interpolation = Literal["bilinear", "bicubic"]


@dataclass(frozen=True)
class Resize:
    """How an image of any size becomes ``height`` x ``width``.

    The image is scaled, antialiased and without distortion, until it covers ``height / crop`` x ``width / crop``; then
    the centre ``height`` x ``width`` is cut out.

    Args:
        crop: side of the centre as a share of the scaled image's side, in (0, 1]; the usual 224 out of 256 is 0.875.
        interpolation: bilinear or bicubic.

    Raises:
        UserError: a value is not allowed.
    """

    crop: float = 1.0
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        if not 0 < self.crop <= 1:
            raise UserError(f"resize.crop is {self.crop}; allowed is more than 0 and at most 1")
        if self.interpolation not in (allowed := get_args(Interpolation)):
            raise UserError(f"resize.interpolation is '{self.interpolation}'; allowed are {' and '.join(allowed)}")


@dataclass(frozen=True)
class InputSpec:
    """What data, network and application agree on.

    Args:
        classes: class names in the order of the labels, at least two, all different.
        channels: 1 (grey) or 3 (RGB).
        height: of the network's input, in pixels, at least 1.
        width: of the network's input, in pixels, at least 1.
        mean: of the training pixels per channel, on the scale [0, 1].
        std: standard deviation per channel on the same scale, more than 0.
        resize: the rule that brings images of other sizes to ``height`` x ``width``.

    Raises:
        UserError: a value is not allowed.
    """

    classes: tuple[str, ...]
    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: Resize = Resize()

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise UserError(f"the data has {len(self.classes)} class(es) {list(self.classes)}; at least 2 are needed")
        if len(set(self.classes)) != len(self.classes):
            twice = sorted({name for name in self.classes if self.classes.count(name) > 1})
            raise UserError(f"class names must differ; given more than once: {', '.join(twice)}")
        if self.channels not in (1, 3):
            raise UserError(f"channels is {self.channels}; allowed are 1 (grey) and 3 (RGB)")
        if self.height < 1 or self.width < 1:
            raise UserError(f"image size is {self.height}x{self.width}; both sides must be at least 1 pixel")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.channels or not all(map(math.isfinite, values)):
                raise UserError(f"{name} is {list(values)}; one finite number for each of {self.channels} channel(s)")
        if min(self.std) <= 0:
            raise UserError(f"std is {list(self.std)}; every value must be more than 0")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: lists, numbers and strings only."""
        return {
            **dataclasses.asdict(self),
            "classes": list(self.classes),
            "mean": list(self.mean),
            "std": list(self.std),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> InputSpec:
        """Read the JSON form back.

        Raises:
            UserError: a key is missing or unknown, or a value is not allowed.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if set(data) != names:
            raise UserError(f"an InputSpec has the keys {sorted(names)}, received {sorted(data)}")
        return cls(
            classes=tuple(data["classes"]),
            channels=int(data["channels"]),
            height=int(data["height"]),
            width=int(data["width"]),
            mean=tuple(map(float, data["mean"])),
            std=tuple(map(float, data["std"])),
            resize=Resize(**data["resize"]),
        )
