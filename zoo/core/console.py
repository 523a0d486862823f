"""Lines on stderr, printed by the first of several processes alone."""

from __future__ import annotations

import os
import sys

from zoo.core.launcher import RANK_VARIABLES


def is_first_process() -> bool:
    """Tell whether this is process 0 of a distributed training; a process that runs alone is.

    Where Lightning is loaded, its ``rank_zero_only.rank`` decides: a strategy sets it as soon as the rank among all
    machines is clear. Before that, the variables of the launcher decide.
    """
    lightning = sys.modules.get("lightning_utilities.core.rank_zero")
    rank = getattr(getattr(lightning, "rank_zero_only", None), "rank", None)
    if rank is None:
        rank = next((os.environ[name] for name in RANK_VARIABLES if name in os.environ), 0)
    return int(rank) == 0


def in_notebook() -> bool:
    """Tell whether a Jupyter kernel runs this process."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def printable(text: str) -> str:
    """Return text for a terminal: what cannot be printed is escaped, such as control characters of a file name."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def print_stderr(text: str) -> None:
    """Print lines to stderr, from the first process alone; in a notebook, which shows stderr in red, to stdout.

    Control characters within a line are escaped.
    """
    if is_first_process():
        file = sys.stdout if in_notebook() else sys.stderr
        print(*map(printable, text.split("\n")), sep="\n", file=file, flush=True)
