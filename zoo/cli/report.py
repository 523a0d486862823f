"""zoo report: write a page about one run, or compare several."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.cli.parser import RUN_HELP, Parser
from zoo.cli.quiet import silence_libraries
from zoo.core.errors import UserError


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser(
        "report",
        fit_options="run",
        epilog="The page shows the test split once the run was tested, else the validation split. Options of fit "
        "override what the run was trained with: --data.root, --trainer.*",
    )
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help=f"{RUN_HELP}; several are compared, as are the runs of a group"
    )
    parser.add_argument("--output", metavar="FILE", help="the page (default: RUN/report.html; none for several runs)")
    return parser


def main(argv: Sequence[str]) -> None:
    """Write a page about one run and print its path; of several say whether they differ by more than chance."""
    options, rest = parser().parse_known_args(argv)
    from zoo.runs.groups import is_group

    if len(options.runs) == 1 and not is_group(options.runs[0]):
        from zoo.config.run import report

        silence_libraries()
        print(report([*options.runs, *rest], options.output))
        return
    if rest:
        raise UserError(f"unknown option {rest[0]} of a comparison; allowed is: zoo report RUN RUN... [--output FILE]")

    from zoo.reports.comparison import compare

    page = compare(options.runs, options.output)
    if page is not None:
        print(page)
