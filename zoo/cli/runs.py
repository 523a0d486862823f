"""zoo runs: list runs as a table."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.cli.parser import Parser
from zoo.runs.folder import RUN_COLUMNS


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser("runs")
    parser.add_argument("folder", metavar="FOLDER", nargs="?", default="runs", help="where to look (default: runs)")
    order = "names from A to Z; accuracies, epochs and dates from the highest (default: date)"
    parser.add_argument("--sort", choices=RUN_COLUMNS, default="date", help=order)
    text = "show only runs whose data, model, state or path contains this text, or matches it: '*-lenet5/*'"
    parser.add_argument("--filter", metavar="TEXT", default="", help=text)
    parser.add_argument("--output", metavar="FILE", help="also write a .json file")
    return parser


def main(argv: Sequence[str]) -> None:
    """List runs: accuracies, epochs, state."""
    options = parser().parse_args(argv)

    from zoo.runs.summary import show_runs

    show_runs(options.folder, options.sort, options.filter, options.output)
