"""What a user asks of the network's input, in place of what data set or pretrained weights have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from zoo.core import registry
from zoo.core.errors import UserError
from zoo.core.spec import Fit, InputSpec


@dataclass(frozen=True)
class InputOptions:
    """Options of the network's input; None leaves one as data set or weights have it.

    Args:
        size: height and width, in pixels.
        fit: how images of other sizes become that size.
        channels: of the images.

    Raises:
        UserError: a value is not allowed.
    """

    size: tuple[int, int] | None = None
    fit: Fit | None = None
    channels: int | None = None

    def __post_init__(self) -> None:
        if self.fit is not None and self.fit not in get_args(Fit):
            raise UserError(f"data.resize is '{self.fit}'; allowed are {', '.join(get_args(Fit))}")
        if self.channels is not None and self.channels < 1:
            raise UserError(f"data.channels is {self.channels}; allowed is 1 or more")

    def require_spec(self, spec: InputSpec) -> None:
        """Compare the options with what a model was trained for; UserError if one differs."""
        trained = {
            "image_size": (self.size, (spec.height, spec.width)),
            "resize": (self.fit, spec.resize.fit),
            "channels": (self.channels, spec.channels),
        }
        for name, (wanted, used) in trained.items():
            if wanted not in (None, used):
                shown = [",".join(map(str, value)) if isinstance(value, tuple) else value for value in (wanted, used)]
                raise UserError(
                    f"data.{name} is {shown[0]}, but the model was trained with {shown[1]}; leave the option out, or "
                    "train a new run"
                )

    def dataset_options(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of a data set; a builder with an option ``channels`` gets the channels asked for."""
        builder = registry.load("dataset", name)
        if self.channels is None or "channels" not in [option.name for option in registry.options("dataset", builder)]:
            return dict(options)
        return {**options, "channels": self.channels}


def parse_size(size: int | tuple[int, int] | str) -> tuple[int, int]:
    """Return height and width of ``N`` or ``H,W``; UserError for anything else."""
    try:
        sides = size.split(",") if isinstance(size, str) else [size] if isinstance(size, int) else list(size)
        numbers = [int(side) for side in sides]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or min(numbers) < 1:
        raise UserError(f"data.image_size is '{size}'; allowed is N or H,W in pixels, such as 32 or 32,48")
    return numbers[0], numbers[-1]


def require_least(least: int, **options: float | None) -> None:
    """Refuse, by a UserError, an option of the data that is below what is allowed; None is allowed."""
    for option, value in options.items():
        if value is not None and value < least:
            raise UserError(f"data.{option} is {value}; allowed is {least} or more")
