"""zoo runs: list runs as a table; zoo runs rm: delete some."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from zoo.cli.parser import COMMANDS, Parser
from zoo.core.errors import UserError
from zoo.runs.folder import RUN_COLUMNS

#: Runs that the question lists.
LISTED = 20


def parser() -> Parser:
    """Return the command's parser."""
    text = (
        f"{COMMANDS['runs']}; those that differ in seed or fold only have a line together below the table. 'zoo runs "
        "rm RUN...' deletes runs, or groups of folds or seeds, after a question."
    )
    usage = "zoo runs [FOLDER] [options]\n       zoo runs rm RUN... [--yes]"
    parser = Parser("runs", text, usage=usage)
    parser.add_argument("folder", metavar="FOLDER", nargs="*", help="where to look (default: runs)")
    order = "names from A to Z; accuracies, epochs, dates and sizes from the highest (default: date)"
    parser.add_argument("--sort", choices=RUN_COLUMNS, default="date", help=order)
    text = "show only runs whose data, model, state or path contains this text, or matches it: '*-lenet5/*'"
    parser.add_argument("--filter", metavar="TEXT", default="", help=text)
    parser.add_argument("--output", metavar="FILE", help="also write a .json file")
    parser.add_argument("--yes", action="store_true", help="of rm: delete without a question")
    return parser


def main(argv: Sequence[str]) -> None:
    """List runs: accuracies, epochs, state, size; or delete some."""
    own = parser()
    options = own.parse_args(argv)
    if options.folder[:1] == ["rm"]:
        _remove(options.folder[1:], options.yes)
        return
    if options.yes:
        raise UserError("--yes is for 'zoo runs rm RUN...'; leave it out")
    if len(options.folder) > 1:
        own.refuse(options.folder[1])

    from zoo.runs.summary import show_runs

    show_runs((options.folder or ["runs"])[0], options.sort, options.filter, options.output)


def _remove(paths: Sequence[str], yes: bool) -> None:
    """Delete runs after a question; nothing is deleted where one of them cannot be."""
    from zoo.runs.folder import size_of, size_text
    from zoo.runs.removal import remove, require_removable

    if not paths:
        raise UserError("which runs? zoo runs rm RUN..., where RUN is a folder that 'zoo runs' lists")
    if len({os.path.realpath(path) for path in paths}) < len(paths):
        raise UserError("a run is given twice; name each once")
    runs = {path: require_removable(path) for path in paths}
    every = [run.path for several in runs.values() for run in several]
    if len(set(every)) < len(every):
        raise UserError("a run is given by itself and by its group; name one of them")
    size = size_text(sum(map(size_of, every)))
    if not yes:
        if not sys.stdin.isatty():
            raise UserError(f"zoo runs rm asks before it deletes, and there is no terminal to ask; add --yes ({size})")
        for folder in every[:LISTED]:
            print(os.path.relpath(folder))
        if len(every) > LISTED:
            print(f"and {len(every) - LISTED:,} more")
        answer = input(f"delete {len(every)} run{'s' * (len(every) > 1)}, {size}? [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            print("nothing is deleted", file=sys.stderr)
            return
    for path, several in runs.items():
        remove(path, several)
    print(f"deleted {len(every)} run{'s' * (len(every) > 1)}, {size}", file=sys.stderr)
