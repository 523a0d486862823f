"""Which images a command line names: files, folders, patterns, lists of paths, standard input and addresses."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence

from zoo.core.errors import UserError
from zoo.images.address import is_address
from zoo.images.files import SUFFIXES, named_images

#: The argument that stands for standard input, and what the name of a list of paths begins with.
STDIN, LIST = "-", "@"


def named_inputs(arguments: Sequence[str]) -> list[str]:
    """Return the files and addresses that arguments name, in their order.

    Args:
        arguments: each a file, a folder (its images at any depth), a pattern in quotes (``'photos/**/*.jpg'``), a text
            file of paths, one a line (``@list.txt``), ``-`` (the same from standard input), or an http or https
            address. Relative paths in lists begin where the command runs.

    Raises:
        UserError: an argument names no file. A file of a list may be missing: whoever reads it says so.
    """
    return [name for argument in arguments for name in _named_by(argument)]


def _named_by(argument: str) -> Iterable[str]:
    if argument == STDIN:
        return _of_list("standard input", sys.stdin.buffer)
    if is_address(argument):
        return [argument]
    if os.path.exists(argument):
        return named_images([argument])
    if argument.startswith(LIST):
        try:
            with open(argument[1:], "rb") as lines:
                return _of_list(argument[1:], lines)
        except OSError as error:
            raise UserError(f"{argument}: the list {argument[1:]} cannot be read: {error.strerror}") from error
    return _matching(argument) if glob.has_magic(argument) else named_images([argument])


def _of_list(title: str, lines: Iterable[bytes]) -> list[str]:
    """Return what the lines of a list name; folders stand for their images."""
    paths = [os.fsdecode(line.removesuffix(b"\n").removesuffix(b"\r")) for line in lines]
    names = list(_opened(path.removeprefix("\ufeff") for path in paths if path.strip()))
    if not names:
        raise UserError(f"{title} names no image; write one path or address a line")
    return names


def _opened(paths: Iterable[str]) -> Iterator[str]:
    """Yield each path, or the images of the folder that it is."""
    for path in paths:
        if os.path.isdir(path):
            yield from named_images([path])
        else:
            yield path


def _matching(pattern: str) -> list[str]:
    """Return the images that match a pattern, and those of matching folders where no image matches."""
    paths = sorted(glob.glob(pattern, recursive=True))
    endings = SUFFIXES | {os.path.splitext(pattern)[1].lower()}  # '*.npy' asks for arrays
    images = [path for path in paths if os.path.splitext(path)[1].lower() in endings and not os.path.isdir(path)]
    names = images or list(_opened(path for path in paths if os.path.isdir(path)))
    if not names:
        raise UserError(f"no image matches the pattern '{pattern}'")
    return names
