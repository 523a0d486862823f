"""zoo verify: check that an exported model computes the right result on this machine."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.cli.parser import Parser


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser("verify")
    what = "the .onnx file that 'zoo export' wrote, or the name of an installed model"
    parser.add_argument("model", metavar="MODEL", help=what)
    return parser


def main(argv: Sequence[str]) -> None:
    """Check that an exported model computes the right result on this machine."""
    options = parser().parse_args(argv)

    from zoo import runtime
    from zoo.images.files import as_user_errors

    with as_user_errors():
        runtime.print_verification(runtime.verify(options.model))
