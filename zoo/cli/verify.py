"""zoo verify: check that an exported model computes the right result on this machine."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.cli.parser import Parser
from zoo.core.errors import UserError


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser("verify")
    what = "the .onnx file that 'zoo export' wrote, or the name of an installed model"
    parser.add_argument("model", metavar="MODEL", help=what)
    parser.add_argument("--providers", nargs="+", metavar="NAME", help="what computes, such as CUDA; default: CPU")
    return parser


def main(argv: Sequence[str]) -> None:
    """Check that an exported model computes the right result on this machine."""
    options = parser().parse_args(argv)

    from zoo import runtime
    from zoo.images.files import as_user_errors

    try:
        with as_user_errors():
            result = runtime.verify(options.model, providers=options.providers)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"--providers: {error}") from error
    runtime.print_verification(result)
