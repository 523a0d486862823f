"""zoo list: show the registered names, from metadata."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from zoo.cli.parser import Parser
from zoo.core import registry
from zoo.core.console import print_stderr
from zoo.core.distributions import scan_distributions
from zoo.core.errors import UserError, did_you_mean, listed

#: The kinds by the words that the command takes.
KINDS: dict[str, registry.Kind] = {facts.plural: kind for kind, facts in registry.KINDS.items() if facts.plural}

#: Names in a hint.
HINTED = 5


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser("list")
    what = "which, such as '*mnist*'"
    parser.add_argument("what", nargs="*", metavar=f"[{'|'.join(KINDS)}] [PATTERN]", help=what)
    return parser


def main(argv: Sequence[str]) -> None:
    """List the registered names: architectures, data sets, losses ..., and the installed models."""
    show_names(parser().parse_args(argv).what)


def show_names(arguments: Sequence[str]) -> None:
    """Print the registered names.

    Args:
        arguments: optionally one of KINDS, then optionally a shell pattern.

    Raises:
        UserError: there are more arguments, or no name matches.
    """
    kinds = [KINDS[arguments[0]]] if arguments and arguments[0] in KINDS else list(KINDS.values())
    patterns = arguments[1:] if arguments and arguments[0] in KINDS else arguments
    if len(patterns) > 1:
        raise UserError(f"zoo list takes [{'|'.join(KINDS)}] [PATTERN], received {' '.join(arguments)!r}")
    pattern = patterns[0] if patterns else "*"
    names = [(name, entry) for kind in kinds for name, entry in _names(kind)]
    for broken in scan_distributions().broken:
        print_stderr(f"warning: {broken}")
    matches = [(name, entry) for name, entry in names if fnmatchcase(name, pattern)]
    if not matches:
        raise UserError(f"no registered name matches '{pattern}'{_hint(pattern, [name for name, _ in names])}")
    # Plain columns: a table library takes seconds to lay out ten thousand names.
    rows = [("kind", "name", "distribution", "version")]
    rows += [(registry.KINDS[entry.kind].title, name, entry.distribution, entry.version) for name, entry in matches]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _hint(pattern: str, names: Sequence[str]) -> str:
    """Return a few names that contain a pattern that matches none, those that begin with it first; else the nearest."""
    word = pattern.strip("*").lower()

    def order(name: str) -> tuple[bool, int, str]:
        member = name.rpartition("/")[2].lower()
        return not member.startswith(word), len(member), member

    containing = sorted((name for name in names if word in name.lower()), key=order)
    if not containing:
        return did_you_mean(pattern, [*names, *KINDS])
    return f", but these contain it: {listed(containing, HINTED)} (zoo list '*{word}*')"


def _names(kind: registry.Kind) -> Iterator[tuple[str, registry.Entry]]:
    """Yield every name with its entry; skip a family that cannot list its names, and say so on stderr."""
    yield from ((entry.name, entry) for entry in registry.entries(kind))
    for family in registry.entries(kind, family=True):
        try:
            yield from ((name, family) for name in family.members())
        except UserError as error:
            print_stderr(f"warning: {error}")
