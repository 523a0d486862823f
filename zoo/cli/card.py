"""zoo card: write the model card of a run, Markdown with the front matter of the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zoo.cli.parser import RUN_HELP, Parser
from zoo.runs.files import require_folder, write_atomically
from zoo.runs.folder import Run


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser("card")
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    parser.add_argument("--output", metavar="FILE", help="the file to write (default: RUN/README.md)")
    parser.add_argument("--name", default="", help="what the model is called (default: after its network and data)")
    return parser


def main(argv: Sequence[str]) -> None:
    """Write the model card of a run: data, figures with intervals, limits, how it was trained, how to use it."""
    options = parser().parse_args(argv)
    run = Run.open(options.run)
    path = run.path / "README.md" if options.output is None else require_folder("--output", options.output)

    from zoo.reports.card import model_card

    write_atomically(Path(path), model_card(run, options.name))
    print(path)
