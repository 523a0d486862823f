"""Pictures with captions: thumbnails in a notebook, elsewhere a line each."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL import Image

from zoo.images.files import viewable

#: Pixels on the longer side: larger images are made smaller, images up to the second number are stored without loss.
STORED_SIDE = 224
LOSSLESS_SIDE = 64

#: Width of a picture and its caption in a notebook, in CSS pixels.
SHOWN_SIDE = 128


def encode_image(pixels: np.ndarray) -> tuple[str, str]:
    """Return an image's CSS class, pixels or photo, and its ``data:`` address.

    Args:
        pixels: uint8 ``(height, width, channels)``.
    """
    shown = viewable(pixels)
    image = Image.fromarray(shown[..., 0] if shown.shape[2] == 1 else shown)
    image.thumbnail((STORED_SIDE, STORED_SIDE))
    small, content = max(image.size) <= LOSSLESS_SIDE, io.BytesIO()
    image.save(content, format="PNG" if small else "JPEG", **({} if small else {"quality": 85}))
    data = base64.b64encode(content.getvalue()).decode()
    return ("pixels", f"data:image/png;base64,{data}") if small else ("photo", f"data:image/jpeg;base64,{data}")


@dataclass(frozen=True)
class Picture:
    """An image and what is said about it.

    Args:
        pixels: uint8 ``(height, width, channels)``.
        name: its file, or its number in the data set.
        caption: such as its class.
    """

    pixels: np.ndarray
    name: str
    caption: str


@dataclass(frozen=True, repr=False)
class Gallery:
    """Pictures in order: thumbnails in a notebook, elsewhere text; ``[index]`` gives one.

    Args:
        pictures: in order.
        empty: the text where there is none.
    """

    pictures: Sequence[Picture]
    empty: str = "no image"

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Picture:
        return self.pictures[index]

    def __iter__(self) -> Iterator[Picture]:
        return iter(self.pictures)

    def __repr__(self) -> str:
        width = max((len(picture.name) for picture in self.pictures), default=0)
        return "\n".join(f"{picture.name:<{width}}  {picture.caption}" for picture in self.pictures) or self.empty

    def _repr_html_(self) -> str:
        if not self.pictures:
            return f"<p>{escape(self.empty)}</p>"
        style = "display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-start"
        return f'<div style="{style}">{"".join(map(_figure, self.pictures))}</div>'


def _figure(picture: Picture) -> str:
    kind, address = encode_image(picture.pixels)
    sharp = "; image-rendering: pixelated" if kind == "pixels" else ""
    size = f"width: {SHOWN_SIDE}px; height: {SHOWN_SIDE}px; object-fit: contain"
    name, caption = escape(_printable(picture.name)), escape(_printable(picture.caption))
    return (
        f'<figure style="margin: 0; width: {SHOWN_SIDE}px; font-size: 12px; line-height: 1.4; overflow-wrap: anywhere">'
        f'<img src="{address}" alt="{caption}" title="{name}" style="{size}{sharp}">'
        f"<figcaption>{caption}<br><small>{name}</small></figcaption></figure>"
    )


def _printable(text: str) -> str:
    """Replace bytes of a file's name that are not UTF-8 by question marks."""
    return text.encode("utf-8", "replace").decode()
