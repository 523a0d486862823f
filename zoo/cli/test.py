"""zoo test: measure a run on its test split."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.cli.parser import Parser, add_tta, run_parser
from zoo.cli.quiet import silence_libraries
from zoo.core.quick_start import imports_without_collection


def parser() -> Parser:
    """Return the command's parser."""
    parser = run_parser("test")
    parser.add_argument(
        "--on",
        metavar="FOLDER",
        help="test on all images of another folder of class folders, or of a table, as they are; the run's own results "
        "stay",
    )
    add_tta(parser)
    return parser


def main(argv: Sequence[str]) -> None:
    """Measure a run on its test split, or on other images."""
    options, rest = parser().parse_known_args(argv)

    with imports_without_collection():
        from zoo.config.run import evaluate
        from zoo.config.run_on import test_on

    silence_libraries()
    if options.on is not None:
        test_on([options.run, *rest], options.on, tta=options.tta)
        return
    evaluate("test", [options.run, *rest], tta=options.tta)
