"""The commands: ``zoo X`` lives in ``cli/X.py``."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; see ``zoo.cli.app.main``."""
    from zoo.cli.app import main as run

    return run(argv)
