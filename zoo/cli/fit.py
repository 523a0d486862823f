"""zoo fit: train a new run, or resume one."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from zoo.cli.parser import Parser
from zoo.cli.quiet import silence_libraries
from zoo.core.quick_start import imports_without_collection


def parser() -> Parser:
    """Return the parser that completion uses; LightningCLI's, which takes seconds to import, parses the options."""
    parser = Parser("fit", fit_options="new", add_help=False)
    parser.add_argument("--quiet", action="store_true", help="print the run folder alone, and errors")
    return parser


def main(argv: Sequence[str]) -> None:
    """Train a new run, or resume one; 'zoo fit --help' shows the options."""
    if "--print_schema" in argv:
        from zoo.config.schema import schema

        silence_libraries()
        print(json.dumps(schema(), indent=2))
        return

    begin = time.monotonic()
    with imports_without_collection():
        from zoo.config.folds import fit  # takes seconds, which count for --time

    silence_libraries()
    fit(argv, begin)
