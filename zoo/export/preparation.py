"""What a file's metadata say of its input: type, shape, and how a picture becomes it, step by step, with an example."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo import runtime
from zoo.core.spec import InputSpec
from zoo.images.preprocess import geometry

#: Height and width of the picture of the example.
EXAMPLE = (480, 640)


def describe_input(spec: InputSpec, form: runtime.Form, batch: int, sample: np.ndarray) -> dict[str, Any]:
    """Return the metadata ``input`` of a file.

    Args:
        spec: what the network was trained for.
        form: how the graph takes images.
        batch: images in a batch of the forms fixed and float.
        sample: of the golden sample, uint8 ``(height, width, channels)``.

    Returns:
        ``form``, ``type``, ``shape``, ``layout``; ``steps``, a sentence each; ``example``, a picture of EXAMPLE and its
        place in the network's input, and the first values of the tensor of the golden sample.
    """
    shape: list[int | str] = [batch, spec.height, spec.width, spec.channels]
    tensor: np.ndarray = sample[None]
    if form == "any":
        shape = ["batch", "height", "width", spec.channels]
    elif form == "float":
        shape = [batch, spec.channels, spec.height, spec.width]
        tensor = runtime.normalised(tensor, spec.to_dict())
    return {
        "form": form,
        "type": "float32" if form == "float" else "uint8",
        "shape": shape,
        "layout": "NCHW" if form == "float" else "NHWC",
        "steps": _steps(spec, form),
        "example": {**({} if form == "any" else _placed(spec)), "sample": tensor.ravel()[:6].tolist()},
    }


def _steps(spec: InputSpec, form: runtime.Form) -> list[str]:
    colours = {1: "grey (luma of BT.601)", 3: "RGB"}.get(spec.channels, f"{spec.channels} channels as stored")
    steps = [
        f"Read the picture upright (EXIF orientation) as {colours}, 8 bits; lay transparency over white; of 16 bits, "
        f"level v becomes min(v, {spec.white_level}) * 255 // {spec.white_level}."
    ]
    if form == "any":
        return [
            *steps,
            "Give it to the graph as it is: it scales, crops and normalises.",
            "OpenVINO, and engines without dynamic shapes, need the file of 'zoo export --input fixed'.",
        ]
    shape = geometry(spec)
    (tall, wide), rule = shape.target, {"cover": "covers", "letterbox": "fits into", "stretch": "has"}[shape.fit]
    steps.append(
        f"Unless it is {spec.height} high and {spec.width} wide, scale it with an antialiased {shape.interpolation} "
        f"filter, first its rows and then its columns, until it {rule} {tall} x {wide} (height x width); cut out the "
        f"centre {spec.height} x {spec.width}, with level 0 where the picture does not reach."
    )
    if form == "float":
        mean, std = (", ".join(f"{value:.9g}" for value in values) for values in (spec.mean, spec.std))
        steps.append(f"Compute (level / 255 - mean) / std for each channel: mean {mean}, std {std}; channels first.")
    return steps


def _placed(spec: InputSpec) -> dict[str, Any]:
    """Return what becomes of a picture of the size EXAMPLE: its scaled size, and where the centre begins."""
    shape = geometry(spec)
    scaled = shape.scaled_size(*EXAMPLE)
    top, left = shape.first_pixels(scaled)
    return {"picture": list(EXAMPLE), "scaled": list(scaled), "first_pixel": [top, left]}
