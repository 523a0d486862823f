"""A page inside a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from zoo.core.errors import UserError

#: Height of the frame, in CSS pixels; the page scrolls in it.
HEIGHT = 600


#: Path is abstract: its class for this system is the one to extend.
_SystemPath: Any = type(Path())


class PagePath(_SystemPath):  # type: ignore[misc]
    """The path of a page; when it is called, a notebook shows the page."""

    def __call__(self, height: int = HEIGHT) -> InlinePage:
        """Return the page for a notebook to show, in a frame so many CSS pixels high.

        Raises:
            UserError: there is no page.
        """
        return InlinePage(Path(self), height)


@dataclass(frozen=True, repr=False)
class InlinePage:
    """A page that a notebook shows in a frame; elsewhere its path.

    Args:
        path: of the page, which needs no other file.
        height: of the frame, in CSS pixels.

    Raises:
        UserError: there is no such page.
    """

    path: Path
    height: int = HEIGHT

    def __post_init__(self) -> None:
        if not self.path.is_file():
            raise UserError(f"there is no page {self.path}; write it with: zoo report {self.path.parent}")

    def __repr__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        page = self.path.read_text(encoding="utf-8")
        frame = f"width: 100%; height: {self.height}px; border: 1px solid #8884"
        # Nothing in a page needs to reach the notebook around it.
        return f'<iframe srcdoc="{escape(page)}" style="{frame}" sandbox="allow-popups" title="report"></iframe>'
