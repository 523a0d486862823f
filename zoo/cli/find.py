"""zoo find: try learning rates or batch sizes on a training, and print the one to start with."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.cli.parser import COMMANDS, Parser
from zoo.cli.quiet import silence_libraries
from zoo.core.errors import UserError


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser("find", f"{COMMANDS['find']}. Other options are those of 'zoo fit'.", fit_options="new")
    parser.add_argument("what", metavar="lr|batch_size", help="what to find; nothing is written")
    parser.add_argument("--plot", metavar="FILE", help="of lr: draw the losses, .png, .svg or .pdf")
    return parser


def main(argv: Sequence[str]) -> None:
    """Try learning rates or batch sizes, and print the one to start with."""
    options, rest = parser().parse_known_args(argv)
    if options.what not in ("lr", "batch_size"):
        raise UserError(f"zoo find: received '{options.what}'; allowed are lr and batch_size")
    if options.plot is not None and options.what != "lr":
        raise UserError("--plot draws the losses of learning rates; leave it out")

    from zoo.cli.tuning import find_batch_size, find_learning_rate

    silence_libraries()
    if options.what == "lr":
        find_learning_rate(rest, options.plot)
    else:
        find_batch_size(rest)
