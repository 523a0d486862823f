"""zoo validate: measure a run on its validation split."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.cli.parser import Parser, run_parser
from zoo.cli.quiet import silence_libraries
from zoo.core.quick_start import imports_without_collection


def parser() -> Parser:
    """Return the command's parser."""
    return run_parser("validate")


def main(argv: Sequence[str]) -> None:
    """Measure a run on its validation split."""
    options, rest = parser().parse_known_args(argv)

    with imports_without_collection():
        from zoo.config.run import evaluate

    silence_libraries()
    evaluate("validate", [options.run, *rest])
