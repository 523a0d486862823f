"""The pieces a report's page is made of: tables, facts, pictures; whatever comes from outside is escaped here.

Functions that return HTML return it whole; their arguments are plain text unless their name says ``html``.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo.core.errors import UserError
from zoo.runs.files import require_folder

#: Pixels on the longer side that a picture is stored with; up to the smaller number it is stored without loss.
STORED_SIDE = 224
LOSSLESS_SIDE = 64

_FIGURES = re.compile(r'<script type="application/json" id="figures">(.*?)</script>', re.DOTALL)


def page(title: str, body_html: Iterable[str], figures: Mapping[str, Any]) -> str:
    """Return a whole page.

    Args:
        title: of the page.
        body_html: its sections.
        figures: numbers for programs, kept in the page as JSON; none may be NaN.
    """
    files = resources.files("zoo.reports") / "templates"
    # A class may be called "</script>".
    numbers = json.dumps(figures, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    texts = {
        "@TITLE@": escape(title),
        "@STYLE@": (files / "report.css").read_text(encoding="utf-8"),
        "@FIGURES@": numbers,
        "@BODY@": "\n".join(body_html),
    }
    template = (files / "report.html").read_text(encoding="utf-8")
    return re.sub("|".join(texts), lambda found: texts[found[0]], template)


def require_page(output: str) -> Path:
    """Return where a page goes.

    Raises:
        UserError: its name does not end in .html, or there is no such folder.
    """
    if Path(output).suffix.lower() != ".html":
        raise UserError(f"--output is '{output}'; allowed are names that end in .html")
    return require_folder("--output", output)


def figures_in(path: Path) -> dict[str, Any]:
    """Return the numbers for programs that a page holds; none where there is no page of ours."""
    try:
        found = _FIGURES.search(path.read_text(encoding="utf-8"))
        content = json.loads(found[1]) if found else {}
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def section(title: str, *content_html: str, note: str = "") -> str:
    """Return a section under a heading, a note in small print below the heading."""
    small = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{small}{''.join(content_html)}</section>"


def heading(text: str) -> str:
    """Return a heading within a section."""
    return f"<h3>{escape(text)}</h3>"


def paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{escape(text)}</p>"


def facts(pairs: Mapping[str, str]) -> str:
    """Return names with their values."""
    lines = (f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs.items())
    return f'<dl class="facts">{"".join(lines)}</dl>'


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[Any]], words: int = 1) -> str:
    """Return a table that scrolls within its frame where it is too wide or too long.

    Args:
        caption: what it shows, for screen readers.
        header: a heading a column.
        rows: values a row; those that are no text are numbers, shown as they print.
        words: how many of the first columns hold text, the others numbers; the first column heads its row.
    """

    def kind(place: int) -> str:
        return "" if place < words else ' class="n"'

    def line(row: Sequence[Any]) -> str:
        head, *others = (escape(str(value)) for value in row)
        cells = (f"<td{kind(place)}>{value}</td>" for place, value in enumerate(others, 1))
        return f'<tr><th scope="row">{head}</th>{"".join(cells)}</tr>'

    heads = "".join(f'<th scope="col"{kind(place)}>{escape(word)}</th>' for place, word in enumerate(header))
    body = "\n".join(map(line, rows))
    return framed(caption, f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>")


def framed(caption: str, content_html: str) -> str:
    """Return something wide in a frame of its own, which the keyboard scrolls too."""
    return f'<div class="frame" role="region" tabindex="0" aria-label="{escape(caption)}">{content_html}</div>'


def folded(title: str, content_html: str) -> str:
    """Return something that is shown when it is asked for."""
    return f"<details><summary>{escape(title)}</summary>{content_html}</details>"


def code(text: str) -> str:
    """Return text as it stands in a file."""
    return f'<pre tabindex="0">{escape(text)}</pre>'


def columns(*content_html: str) -> str:
    """Return things side by side where there is room."""
    return f'<div class="columns">{"".join(content_html)}</div>'


def drawing(svg: str, caption: str, key_html: str = "") -> str:
    """Return a drawing with its caption."""
    return f"<figure>{svg}<figcaption>{escape(caption)}{key_html}</figcaption></figure>"


def key(names: Sequence[str], colours: Sequence[tuple[str, str]]) -> str:
    """Return which line is whose; a colour comes with its dashes, as matplotlib writes them."""
    styles = {"-": "solid", "--": "dashed", ":": "dotted", "-.": "dashed"}
    entries = (
        f'<li><span class="line" style="border-top: 3px {styles[dashes]} {colour}"></span>{escape(name)}</li>'
        for name, (colour, dashes) in zip(names, colours, strict=True)
    )
    return f'<ul class="key">{"".join(entries)}</ul>'


def picture(pixels: np.ndarray, alt: str) -> str:
    """Return an image.

    Args:
        pixels: uint8 ``(height, width, channels)``, 1 or 3 channels; large ones are made smaller.
        alt: what it shows.
    """
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.thumbnail((STORED_SIDE, STORED_SIDE))
    content = io.BytesIO()
    small = max(image.size) <= LOSSLESS_SIDE
    image.save(content, format="PNG" if small else "JPEG", **({} if small else {"quality": 85}))
    data = base64.b64encode(content.getvalue()).decode()
    kind = "png" if small else "jpeg"
    return f'<img class="{"pixels" if small else "photo"}" alt="{escape(alt)}" src="data:image/{kind};base64,{data}">'


def guesses(pairs: Iterable[tuple[str, float]]) -> str:
    """Return classes with bars as long as their probabilities, the likeliest first."""
    lines = (
        f'<li style="--p:{value:.4f}"><span>{escape(name)}</span> <b>{value:.1%}</b></li>' for name, value in pairs
    )
    return f'<ol class="guesses">{"".join(lines)}</ol>'


def cards(content_html: Iterable[str]) -> str:
    """Return pictures with what belongs to them, as many in a row as there is room."""
    return f'<div class="cards">{"".join(f"<figure>{content}</figure>" for content in content_html)}</div>'
