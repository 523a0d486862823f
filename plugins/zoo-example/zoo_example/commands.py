"""zoo parameters: how many parameters an architecture trains."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import zoo


def parser() -> argparse.ArgumentParser:
    """Return the command's parser; a shell completes the command by it."""
    parser = argparse.ArgumentParser(
        prog="zoo parameters", description="Print how many parameters architectures train."
    )
    parser.add_argument("architecture", nargs="+", help="a name that 'zoo list architectures' shows")
    parser.add_argument("--size", type=int, default=32, help="height and width of the images (default: 32)")
    return parser


def parameters(argv: Sequence[str]) -> None:
    """Print how many parameters architectures train, for ten classes of RGB images.

    Args:
        argv: the arguments after ``zoo parameters``.

    Raises:
        UserError: the size is wrong, or a name is unknown; zoo prints it as one line.
    """
    options = parser().parse_args(argv)
    if options.size < 1:
        raise zoo.UserError(f"--size is {options.size}; allowed is 1 or more")
    classes, mean, std = tuple("0123456789"), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    spec = zoo.InputSpec(classes, channels=3, height=options.size, width=options.size, mean=mean, std=std)
    for name in options.architecture:
        network = zoo.create_architecture(name, spec)
        print(f"{name}: {sum(parameter.numel() for parameter in network.parameters()):,}")
