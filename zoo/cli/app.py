"""The front door: list, info and help at once, without torch; training commands are loaded when they are run."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence

from zoo.cli.parser import COMMANDS, arguments, bench_arguments, find_arguments
from zoo.core import registry
from zoo.core.errors import UserError, ZooError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after ``zoo``; by default those of this process.

    Returns:
        The exit status: 0 it worked, 1 it failed, 2 the user must change something, 130 interrupted, 143 terminated.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller: run all the same, and print to nobody
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # for the whole process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without UTF-8 gets '?', not a traceback
            stream.reconfigure(errors="replace")
    # Leave through Python, so that a stopped download removes its temporary files; training takes over while it runs.
    handlers = {number: signal.signal(number, _leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        _run(words, debug)
        sys.stdout.flush()
        return 0
    except ZooError as error:
        return _report(error, error.exit_status, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        return 1
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:
        if (status := getattr(error, "exit_status", None)) is not None:
            return int(status)
        return _report(error, 1, debug)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _leave(signum: int, frame: object) -> None:
    raise SystemExit(128 + signum)


def _run(words: list[str], debug: bool) -> None:
    if "_ARGCOMPLETE" in os.environ:  # the shell asks how the line may go on
        from zoo.cli.completion import complete

        complete(arguments())
    if words[:1] == ["fit"]:
        _training(words)
        return
    if words[:1] == ["bench"]:
        _bench(words[1:])
        return
    if words[:1] == ["find"]:
        _find(words[1:])
        return
    if words and words[0] not in COMMANDS and "command" in registry.kinds(words[0]):
        registry.load("command", words[0])(words[1:])
        return
    parser = arguments()
    options, rest = parser.parse_known_args(words)
    if options.command in ("validate", "test"):
        _training([options.command, options.run, *rest])
        return
    if options.command == "export":
        _export(options, rest)
        return
    if options.command == "check":
        _check(options, rest)
        return
    if options.command == "report":
        _write_report(options, rest)
        return
    if rest:
        raise UserError(f"unknown option {rest[0]} of 'zoo {options.command}'; see 'zoo {options.command} --help'")
    if options.command == "predict":
        _predict(options)
    elif options.command == "verify":
        _verify(options)
    elif options.command == "runs":
        from zoo.runs.summary import show_runs

        show_runs(options.folder, options.sort, options.filter, options.output)
    elif options.command == "list":
        from zoo.cli.listing import show_names

        show_names(options.what)
    elif options.command == "info":
        from zoo.cli.listing import show_info

        if options.plot is not None:
            _quiet()
        show_info(options.name, options.data, options.freeze, options.root, options.plot)
    elif options.command == "doctor":
        from zoo.cli.doctor import show_state

        show_state(debug)
    elif options.command == "new":
        from zoo.cli.new import new_package

        new_package(options.package, options.kind)
    else:
        parser.print_help()


def _predict(options: argparse.Namespace) -> None:
    from zoo.cli.predict import predict
    from zoo.config.resolve import resolve

    _quiet()
    paths = options.paths
    words = [
        f"{option}={value}"
        for option, value in (
            ("--config", options.config),
            ("--model", options.model),
            ("--model.weights", options.weights),
        )
        if value is not None
    ]
    model = resolve(words) if words else paths.pop(0)
    if not paths:
        raise UserError("which images? zoo predict RUN IMAGE_OR_FOLDER...")
    predict(model, paths, top_k=options.top_k, output=options.output, plot=options.plot)


def _export(options: argparse.Namespace, rest: list[str]) -> None:
    from zoo.cli.export import export

    _quiet()
    export([options.run, *rest], options.quantize, options.web)


def _check(options: argparse.Namespace, rest: list[str]) -> None:
    from zoo.cli.check import check

    _quiet()
    root = [] if options.root is None else [f"--data.root={options.root}"]
    check(options.dataset, [*root, *rest], options.output)


def _write_report(options: argparse.Namespace, rest: list[str]) -> None:
    if len(options.runs) == 1:
        from zoo.config.run import report

        _quiet()
        print(report([*options.runs, *rest], options.output))
        return
    if rest:
        raise UserError(f"unknown option {rest[0]} of a comparison; 'zoo report RUN RUN... --output FILE.html' is all")
    from zoo.reports.comparison import compare

    print(compare(options.runs, options.output))


def _bench(words: list[str]) -> None:
    options, rest = bench_arguments().parse_known_args(words)

    from zoo.cli.bench import bench

    _quiet()
    peers = [name for name in options.against.split(",") if name]
    bench(rest, rounds=options.rounds, seconds=options.seconds, against=peers, output=options.output)


def _find(words: list[str]) -> None:
    options, rest = find_arguments().parse_known_args(words)

    from zoo.cli.find import find

    _quiet()
    find(options.what, rest, options.plot)


def _verify(options: argparse.Namespace) -> None:
    from zoo import runtime
    from zoo.images.files import as_user_errors

    with as_user_errors():
        runtime.print_verification(runtime.verify(options.model))


def _training(words: list[str]) -> None:
    if "--print_schema" in words:
        from zoo.config.schema import schema

        _quiet()
        print(json.dumps(schema(), indent=2))
    elif words[0] == "fit":
        from zoo.config.fit import fit

        _quiet()
        fit(words[1:])
    else:
        from zoo.config.run import evaluate

        _quiet()
        evaluate("validate" if words[0] == "validate" else "test", words[1:])


def _quiet() -> None:
    """Keep the libraries' notices off the terminal: what a user must know, zoo says itself.

    To be called after lightning is imported, which sets its loggers' levels.
    """
    import logging
    import warnings

    for name in ("lightning", "lightning.pytorch", "lightning.fabric", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def _report(error: BaseException, status: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    text = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, ZooError):
        text = f"{type(error).__name__}: {text} (--debug shows where)"
    print(f"error: {text}", file=sys.stderr)
    return status
