"""Render pages from the Jinja2 templates, and read the figures that a page holds as JSON."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from zoo.core.errors import UserError
from zoo.images.gallery import encode_image
from zoo.runs.files import require_folder

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
    environment.filters |= {"number": format, "image": encode_image, "breakable": _breakable}
    return environment


def _breakable(name: str) -> Markup:
    """Return the name of a file as HTML that goes on in a new line behind ``/``, ``_`` and ``-`` only."""
    return Markup(re.sub(r"([/_-])", r"\1<wbr>", str(escape(name))))


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
