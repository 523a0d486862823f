"""InputSpec: what a network needs to know about its data, and an application about its network."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from zoo.core.errors import UserError

Interpolation = Literal["bilinear", "bicubic"]
Fit = Literal["cover", "letterbox", "stretch"]

#: White levels of 8, 10, 12, 14 and 16 bits.
WHITE_LEVELS = (255, 1023, 4095, 16383, 65535)


@dataclass(frozen=True)
class Resize:
    """How an image of any size becomes ``height`` x ``width``.

    The image is scaled, antialiased, in relation to ``height / crop`` x ``width / crop``; then the centre ``height`` x
    ``width`` is cut out, with black (level 0) where the scaled image does not reach.

    Args:
        crop: side of the centre as a share of the scaled image's side, in (0, 1]; the usual 224 out of 256 is 0.875.
        interpolation: bilinear or bicubic.
        fit: ``cover`` scales without distortion until the image covers that size; ``letterbox`` scales without
            distortion until the whole image fits into it; ``stretch`` scales each side to it.

    Raises:
        UserError: a value is not allowed.
    """

    crop: float = 1.0
    interpolation: Interpolation = "bilinear"
    fit: Fit = "cover"

    def __post_init__(self) -> None:
        if not 0 < self.crop <= 1:
            raise UserError(f"resize.crop is {self.crop}; allowed is more than 0 and at most 1")
        if self.interpolation not in (allowed := get_args(Interpolation)):
            raise UserError(f"resize.interpolation is '{self.interpolation}'; allowed are {' and '.join(allowed)}")
        if self.fit not in get_args(Fit):
            raise UserError(f"resize.fit is '{self.fit}'; allowed are cover, letterbox and stretch")

    def refit(self, fit: Fit) -> Resize:
        """Return the rule with another fit; letterbox and stretch then show the whole image, so their crop is 1."""
        return replace(self, fit=fit, crop=self.crop if fit == "cover" else 1.0)


@dataclass(frozen=True)
class InputSpec:
    """What data, network and application agree on.

    Args:
        classes: class names in the order of the labels, at least two, all different.
        channels: 1 (grey), 3 (RGB) or any other number, which files then hold exactly.
        height: of the network's input, in pixels, at least 1.
        width: of the network's input, in pixels, at least 1.
        mean: of the training pixels per channel, on the scale [0, 1].
        std: standard deviation per channel on the same scale, more than 0.
        resize: the rule that brings images of other sizes to ``height`` x ``width``.
        white_level: the 16-bit level that becomes 255 where files and arrays of 16 bits become uint8: 255, 1023, 4095,
            16383 or 65535. Higher levels are clipped to it. 8-bit images do not depend on it.

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
    white_level: int = 65535

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise UserError(f"the data has {len(self.classes)} class(es) {list(self.classes)}; at least 2 are needed")
        if len(set(self.classes)) != len(self.classes):
            twice = sorted({name for name in self.classes if self.classes.count(name) > 1})
            raise UserError(f"class names must differ; given more than once: {', '.join(twice)}")
        if self.channels < 1:
            raise UserError(f"channels is {self.channels}; allowed are 1 (grey), 3 (RGB) and other numbers above 0")
        if self.height < 1 or self.width < 1:
            raise UserError(f"image size is {self.height}x{self.width}; both sides must be at least 1 pixel")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.channels or not all(abs(value) <= sys.float_info.max for value in values):
                raise UserError(f"{name} is {list(values)}; one finite number for each of {self.channels} channel(s)")
        if min(self.std) <= 0:
            raise UserError(f"std is {list(self.std)}; every value must be more than 0")
        if self.white_level not in WHITE_LEVELS:
            raise UserError(f"white_level is {self.white_level}; allowed are {', '.join(map(str, WHITE_LEVELS))}")

    def preparation(self) -> str:
        """Return for people how images are prepared: size, resize rule, mean and standard deviation."""
        mean, std = (" ".join(f"{value:g}" for value in _once(values)) for values in (self.mean, self.std))
        fit = "" if self.resize.fit == Resize().fit else f"{self.resize.fit}, "
        rule = f"{fit}crop {self.resize.crop:.4g}, {self.resize.interpolation}"
        return f"{self.height}x{self.width} pixels, {rule}, mean {mean}, std {std}"

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
        """Read the JSON form back; a key that an earlier version did not write gets its default.

        Raises:
            UserError: a key is missing or unknown, or a value is not allowed.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if set(data) | {"white_level"} != names:
            raise UserError(f"an InputSpec has the keys {sorted(names)}, received {sorted(map(str, data))}")
        for key, (is_right, allowed) in _TYPES.items():
            if key in data and not is_right(data[key]):
                raise UserError(f"{key} of an InputSpec is {str(data[key])[:60]!r}; allowed is {allowed}")
        return cls(
            classes=tuple(data["classes"]),
            channels=int(data["channels"]),
            height=int(data["height"]),
            width=int(data["width"]),
            mean=tuple(map(float, data["mean"])),
            std=tuple(map(float, data["std"])),
            resize=Resize(**data["resize"]),
            white_level=int(data.get("white_level", cls.white_level)),
        )


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _list_of(is_right: Callable[[Any], bool], value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(is_right, value))


def _whole(value: Any) -> bool:
    return _number(value) and value == value // 1 and abs(value) < 2**31


#: What the JSON form may hold, by key; the values themselves are checked when the spec is made.
_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "classes": (lambda value: _list_of(lambda name: isinstance(name, str), value), "a list of names"),
    "channels": (_whole, "a whole number"),
    "height": (_whole, "a whole number"),
    "width": (_whole, "a whole number"),
    "mean": (lambda value: _list_of(_number, value), "a list of numbers"),
    "std": (lambda value: _list_of(_number, value), "a list of numbers"),
    "resize": (
        lambda value: (
            isinstance(value, Mapping)
            and set(value) <= {"crop", "interpolation", "fit"}
            and _number(value.get("crop", 1))
            and all(isinstance(value.get(key, ""), str) for key in ("interpolation", "fit"))
        ),
        "a mapping of crop, interpolation and fit",
    ),
    "white_level": (_whole, "a whole number"),
}


def _once(values: tuple[float, ...]) -> tuple[float, ...]:
    """Return one number for values that are all equal, else all."""
    return values[:1] if len(set(values)) == 1 else values
