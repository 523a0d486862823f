"""The program ``zoo``: it runs the command that the first argument names, and turns its end into an exit status.

argv ──► registry, group zoo.commands ──► the command's function, with the arguments after its name
                                            ▲ built-in: main() of zoo/cli/<command>.py; others: plugins'
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from typing import NoReturn

from zoo.cli.parser import COMMANDS, GROUPS
from zoo.core import registry
from zoo.core.blame import is_of_rights, unforeseen
from zoo.core.console import printable
from zoo.core.distributions import hide_broken
from zoo.core.errors import OtherProcessError, RunError, Stopped, UserError, ZooError, brief
from zoo.core.foreign import is_from_outside
from zoo.core.launcher import require_one_process
from zoo.core.trust import restricted

EXAMPLES = """examples:
  zoo fit --model lenet5 --data digits
  zoo fit --config configs/cifar10/lenet5.yaml --trainer.max_epochs 3
  zoo fit runs/digits-lenet5/version_0 --trainer.max_epochs 60
  zoo runs --sort val
  zoo test runs/digits-lenet5/version_0
  zoo report runs/digits-lenet5/version_0
  zoo predict runs/digits-lenet5/version_0 photo.png folder/ --output predictions.csv
  zoo export runs/digits-lenet5/version_0
  zoo verify runs/digits-lenet5/version_0/model.onnx
  zoo predict --model vgg16 --model.weights DEFAULT cat.jpg --plot cat.png
  zoo info fashion_mnist --plot samples.png
  zoo check folder --data.root photos/

'zoo COMMAND --help' shows the options of a command, 'zoo fit --model NAME --data NAME --help' those of the two names
as well.
"""

#: Commands that compute or write, and do so in one process.
ALONE = ("bench", "card", "check", "export", "find", "package", "predict", "report")

#: A longer error is cut in its middle.
MOST_SIGNS = 900

#: Whether ``--debug`` was given, which is an option of every command.
DEBUG = ContextVar("DEBUG", default=False)


class ProgramParser(argparse.ArgumentParser):
    """The parser of ``zoo`` without a command, whose errors are one-line UserErrors."""

    def error(self, message: str) -> NoReturn:
        """Raise a UserError."""
        raise UserError(f"{message}; 'zoo --help' shows all commands")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments after ``zoo``; by default those of this process.

    Returns:
        The exit status: 0 it worked, 1 it failed, 2 the user must change something, 130 interrupted, 143 terminated.
        Of several processes that train together, one that fails ends here: the others wait for its next message, and
        Python takes seconds, on a busy machine a minute, to clear what torch has made.
    """
    status = _run(argv)
    distributed = sys.modules.get("torch.distributed")
    if status and distributed is not None and distributed.is_available() and distributed.is_initialized():
        sys.stdout.flush()
        os._exit(status)
    return status


def _run(argv: Sequence[str] | None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    _open_streams()
    # Exit through Python, so that a stopped download removes its temporary files; training takes over while it runs.
    handlers = {number: signal.signal(number, _exit_on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    token = DEBUG.set(debug)
    try:
        arguments, names = _without_trust([argument for argument in arguments if argument != "--debug"])
        with restricted(names):
            _dispatch(arguments)
        sys.stdout.flush()
        return 0
    except OtherProcessError as error:  # the other one has printed why
        return _print_error(error, error.exit_status, debug) if debug else error.exit_status
    except ZooError as error:
        return _print_error(error, error.exit_status, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        return 1
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:
        if (status := getattr(error, "exit_status", None)) is not None:
            return int(status)
        return _print_error(error, 2 if is_of_rights(error) else 1, debug)
    finally:
        DEBUG.reset(token)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _without_trust(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the arguments without ``--trust NAME``, an option of every command, and the names."""
    rest, names, words = list[str](), list[str](), iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if option != "--trust":
            rest.append(word)
        elif name := value if equals else next(words, ""):
            names += name.split(",")
        else:
            raise UserError("option --trust needs a value: a package, a Python file or a folder")
    return rest, names


def program_parser() -> ProgramParser:
    """Return the parser of ``zoo`` without a command; its help lists every command, plugins' from their metadata."""
    from zoo.core.version import __version__

    plugins = {
        entry.name: f"of {entry.distribution} {entry.version}"
        for entry in registry.entries("command")
        if entry.name not in COMMANDS
    }
    groups = GROUPS | ({"of plugins ('zoo info COMMAND' describes one)": plugins} if plugins else {})
    paragraphs = ["Train, fine-tune, test and ship image classifiers."]
    for title, commands in groups.items():
        paragraphs.append("\n".join([f"{title}:", *(f"  {name:<9} {line}" for name, line in commands.items())]))
    parser = ProgramParser(
        prog="zoo",
        usage="zoo [--version] [--debug] [--trust NAME] COMMAND ...",
        description="\n\n".join(paragraphs),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"zoo {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    text = "let files and runs use a package or Python file of yours, or write to a folder (an option of every command)"
    parser.add_argument("--trust", metavar="NAME", action="append", help=text)
    return parser


def _dispatch(argv: list[str]) -> None:
    """Run the command that the first argument names; without one, print help or the version."""
    hide_broken()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks for completions
        from zoo.cli.completion import complete

        complete(program_parser())
    if argv and not argv[0].startswith("-"):
        if argv[0] in ALONE:
            require_one_process(argv[0], os.environ)
        command = registry.own_command(argv[0]) if argv[0] in COMMANDS else registry.load("command", argv[0])
        if command is None:
            raise UserError(f"the installed metadata lacks command '{argv[0]}'; in a checkout run: pip install -e .")
        if argv[0] in COMMANDS:
            command(argv[1:])
            return
        try:
            command(argv[1:])
        except BaseException as error:
            # A command may end by SystemExit, as argparse does, or say itself what is wrong.
            if isinstance(error, SystemExit | OSError) or is_from_outside(error):
                raise
            title = registry.find("command", argv[0]).title
            raise RunError(f"{title} raises {brief(error)} (--debug shows where)") from error
        return
    parser = program_parser()
    parser.parse_args(argv)
    parser.print_help()


def _open_streams() -> None:
    """Replace streams that the caller has closed, and let a terminal without UTF-8 show '?' instead of failing."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # for the whole process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _exit_on_signal(signum: int, frame: object) -> None:
    raise Stopped(128 + signum)


def _print_error(error: BaseException, status: int, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exception(error)
    text = " ".join(str(error).split()) if isinstance(error, ZooError) else unforeseen(error)
    text = printable(text or type(error).__name__)
    if len(text) > MOST_SIGNS:  # what was received is long; what to do stands at the end
        text = f"{text[: MOST_SIGNS // 2]} ... {text[-MOST_SIGNS // 2 :]}"
    print(f"error: {text}", file=sys.stderr)
    return status
