"""Render pages from the Jinja2 templates, and read the figures that a page holds as JSON."""

from __future__ import annotations

import base64
import io
import json
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from zoo.core.errors import UserError
from zoo.images.files import viewable
from zoo.runs.files import require_folder

#: Pixels on the longer side: larger images are made smaller, images up to the second number are stored without loss.
STORED_SIDE = 224
LOSSLESS_SIDE = 64

_FIGURES = re.compile(r'<script type="application/json" id="figures">(.*?)</script>', re.DOTALL)


def render(template: str, figures: Mapping[str, Any], **values: Any) -> str:
    """Return a page of HTML; text is escaped where it is inserted.

    Args:
        template: a file in zoo/reports/templates.
        figures: numbers for programs, stored in the page as JSON; NaN is not allowed.
        values: what the template inserts.
    """
    return _environment().get_template(template).render(figures=figures, **values)


@cache
def _environment() -> Environment:
    loader = PackageLoader("zoo.reports", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters |= {"number": format, "image": encode_image}
    return environment


def encode_image(pixels: np.ndarray) -> tuple[str, str]:
    """Return an image's CSS class and its ``data:`` address.

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


def address_from(path: str, folder: Path) -> str:
    """Return the address of a file as a page in ``folder`` links to it: relative, so that both may move together."""
    return quote(os.fsencode(os.path.relpath(os.path.realpath(path), os.path.realpath(folder))))


def require_page(output: str) -> Path:
    """Return the path of a page to write.

    Raises:
        UserError: its name does not end in .html, or its folder does not exist.
    """
    if Path(output).suffix.lower() != ".html":
        raise UserError(f"--output is '{output}'; allowed are names that end in .html")
    return require_folder("--output", output)


def read_figures(path: Path) -> dict[str, Any]:
    """Return the figures that a page holds; empty if there is no page or it holds none."""
    try:
        match = _FIGURES.search(path.read_text(encoding="utf-8"))
        figures = json.loads(match[1]) if match else {}
    except (OSError, ValueError):
        return {}
    return figures if isinstance(figures, dict) else {}
