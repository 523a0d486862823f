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
from typing import Any, NoReturn

from zoo import registry
from zoo.errors import UserError, ZooError, did_you_mean

GROUPS = {
    "train and measure": {
        "fit": "train a new run, or resume one: zoo fit RUN",
        "validate": "measure a run on its validation split",
        "test": "measure a run on its test split; writes results.json",
        "report": "write a page about a run, or one that compares several",
        "runs": "show what was trained: accuracies, epochs, state",
        "find": "try learning rates or batch sizes on a training, and say which to begin with",
        "bench": "measure how fast a training runs and what would help",
    },
    "use": {
        "predict": "classify images with a run, an exported model or a pretrained network",
        "export": "write a run as one ONNX file with preprocessing and class names inside",
        "verify": "let an exported model prove itself on this machine",
    },
    "look around and extend": {
        "check": "look at all images of a data set: damage, duplicates, leaks, odd classes and sizes",
        "list": "show the registered architectures and data sets",
        "info": "show what a registered name is and its options",
        "doctor": "show versions, devices and data root, and try every entry point",
        "new": "write a package that adds names to zoo",
    },
}

COMMANDS = {name: text for commands in GROUPS.values() for name, text in commands.items()}

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


class _Parser(argparse.ArgumentParser):
    """argparse that reports in one line, and through the same door as every other error."""

    def error(self, message: str) -> NoReturn:
        if message.startswith("argument command: invalid choice"):
            word = message.split("'")[1]
            known = [*COMMANDS, *registry.list_names("command")]
            message = f"unknown command '{word}'{did_you_mean(word, known)} ('zoo --help' shows all)"
        raise UserError(message)


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
        from zoo.completion import complete

        complete(_arguments())
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
    parser = _arguments()
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
        from zoo.runs import show_runs

        show_runs(options.folder, options.sort, options.filter, options.output)
    elif options.command == "list":
        from zoo.listing import show_names

        show_names(options.what)
    elif options.command == "info":
        from zoo.listing import show_info

        if options.plot is not None:
            _quiet()
        show_info(options.name, options.data, options.freeze, options.root, options.plot)
    elif options.command == "doctor":
        from zoo.doctor import show_state

        show_state(debug)
    elif options.command == "new":
        from zoo.new import new_package

        new_package(options.package, options.kind)
    else:
        parser.print_help()


def _predict(options: argparse.Namespace) -> None:
    from zoo.config import resolve
    from zoo.predict import predict

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
    from zoo.export import export

    _quiet()
    export([options.run, *rest], options.quantize, options.web)


def _check(options: argparse.Namespace, rest: list[str]) -> None:
    from zoo.check import check

    _quiet()
    root = [] if options.root is None else [f"--data.root={options.root}"]
    check(options.dataset, [*root, *rest], options.output)


def _write_report(options: argparse.Namespace, rest: list[str]) -> None:
    if len(options.runs) == 1:
        from zoo.evaluate import report

        _quiet()
        print(report([*options.runs, *rest], options.output))
        return
    if rest:
        raise UserError(f"unknown option {rest[0]} of a comparison; 'zoo report RUN RUN... --output FILE.html' is all")
    from zoo.compare import compare

    print(compare(options.runs, options.output))


def _bench(words: list[str]) -> None:
    parser = _Parser(
        prog="zoo bench",
        description="Measure how fast a training runs and what would help. Other options are those of 'zoo fit'.",
        allow_abbrev=False,
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (default: 3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="that each measurement takes (default: 5)")
    parser.add_argument(
        "--against", metavar="PEERS", default="", help="compare with: loop, lightning or loop,lightning"
    )
    parser.add_argument("--output", metavar="FILE", help="also write a .json file")
    options, rest = parser.parse_known_args(words)

    from zoo.bench import bench

    _quiet()
    peers = [name for name in options.against.split(",") if name]
    bench(rest, rounds=options.rounds, seconds=options.seconds, against=peers, output=options.output)


def _find(words: list[str]) -> None:
    parser = _Parser(
        prog="zoo find",
        description=COMMANDS["find"] + ". Other options are those of 'zoo fit'.",
        allow_abbrev=False,
    )
    parser.add_argument("what", metavar="lr|batch_size", help="what to find; nothing is written")
    parser.add_argument("--plot", metavar="FILE", help="of lr: draw the losses, .png, .svg or .pdf")
    options, rest = parser.parse_known_args(words)

    from zoo.find import find

    _quiet()
    find(options.what, rest, options.plot)


def _verify(options: argparse.Namespace) -> None:
    from zoo import runtime

    try:
        runtime.print_verification(runtime.verify(options.model))
    except runtime.ModelError as error:
        raise UserError(str(error)) from error


def _training(words: list[str]) -> None:
    if "--print_schema" in words:
        from zoo.schema import schema

        _quiet()
        print(json.dumps(schema(), indent=2))
    elif words[0] == "fit":
        from zoo.train import fit

        _quiet()
        fit(words[1:])
    else:
        from zoo.evaluate import evaluate

        _quiet()
        evaluate("validate" if words[0] == "validate" else "test", words[1:])


def _commands() -> str:
    """Return the lines of help that name every command, those of other distributions from metadata."""
    plugins = {entry.name: f"of {entry.distribution} {entry.version}" for entry in registry.entries("command")}
    groups = GROUPS | ({"of plugins ('zoo info COMMAND' describes one)": plugins} if plugins else {})
    parts = ["Train, fine-tune, test and ship image classifiers."]
    for title, commands in groups.items():
        parts.append("\n".join([f"{title}:", *(f"  {name:<10}{text}" for name, text in commands.items())]))
    return "\n\n".join(parts)


def _arguments() -> argparse.ArgumentParser:
    from zoo import __version__

    parser = _Parser(
        prog="zoo",
        usage="zoo [--version] [--debug] COMMAND ...",
        description=_commands(),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"zoo {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    # The description names them, in groups, which argparse has not.
    commands = parser.add_subparsers(dest="command", metavar="command", prog="zoo", help=argparse.SUPPRESS)

    def add(name: str, **options: Any) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=COMMANDS[name], description=COMMANDS[name], allow_abbrev=False, **options)

    add("fit", add_help=False)
    add("bench", add_help=False)
    add("find", add_help=False)
    for name in ("validate", "test"):
        command = add(name, epilog="Options of fit override what the run was trained with: --data.root, --trainer.*")
        command.add_argument("run", metavar="RUN", help="the folder that 'zoo fit' printed")
    command = add(
        "report",
        epilog="A report is of the test split once the run was tested, else of the validation split. Options of fit "
        "override what a run was trained with: --data.root, --trainer.*",
    )
    command.add_argument("runs", metavar="RUN", nargs="+", help="the folder that 'zoo fit' printed; several compare")
    command.add_argument("--output", metavar="FILE", help="the page (default: RUN/report.html; several runs need it)")
    command = add("predict")
    command.add_argument(
        "paths",
        metavar="RUN_AND_IMAGES",
        nargs="+",
        help="a run folder, checkpoint or .onnx file, then images or folders; with --model or --config images alone",
    )
    command.add_argument("--model", metavar="NAME", help="instead of RUN: a network as published, with --model.weights")
    command.add_argument("--model.weights", dest="weights", metavar="WEIGHTS", help="DEFAULT, another name, a file ...")
    command.add_argument("--config", metavar="FILE", help="instead of RUN: a YAML file that names model and weights")
    command.add_argument("--top_k", type=int, default=10, help="classes shown for an image (default: 10)")
    command.add_argument("--output", metavar="FILE", help="also write a .csv or .json file")
    command.add_argument("--plot", metavar="FILE", help="also draw each image beside its classes: .png, .svg or .pdf")
    command = add("export", epilog="Options of fit override what the run was trained with: --data.root")
    command.add_argument("run", metavar="RUN", help="the folder that 'zoo fit' printed")
    command.add_argument(
        "--quantize",
        choices=("int8", "fp16"),
        help="write model.int8.onnx or model.fp16.onnx, measured against float32 on the test split",
    )
    command.add_argument("--web", metavar="FOLDER", help="also write a web page that runs the file in the browser")
    command = add("verify")
    command.add_argument("model", metavar="MODEL", help="the .onnx file that 'zoo export' wrote")
    command = add("runs")
    columns = ("data", "model", "val", "test", "epochs", "date", "state", "path")
    command.add_argument("folder", metavar="FOLDER", nargs="?", default="runs", help="where to look (default: runs)")
    sort = "names from A to Z, accuracies, epochs and dates the highest first (default: date)"
    command.add_argument("--sort", choices=columns, default="date", help=sort)
    which = "show only runs whose data, model, state or path contains this, or matches it: '*-lenet5/*'"
    command.add_argument("--filter", metavar="TEXT", default="", help=which)
    command.add_argument("--output", metavar="FILE", help="also write a .json file")
    command = add("list")
    command.add_argument(
        "what",
        nargs="*",
        metavar="[architectures|datasets] [PATTERN]",
        help="which, such as '*mnist*'",
    )
    command = add("info")
    command.add_argument("name", metavar="NAME", help="a name that 'zoo list' shows")
    command.add_argument("--data", metavar="NAME", help="show a network's layers for the images of this data set")
    command.add_argument("--freeze", metavar="N", help="mark what '--model.freeze N' stops: N layers, or a module")
    command.add_argument("--plot", metavar="FILE", help="of a data set: draw samples of each class: .png, .svg or .pdf")
    command.add_argument("--data.root", dest="root", metavar="FOLDER", help="where the data lives, as in 'zoo fit'")
    command = add("check", epilog="As in 'zoo fit': --data.num_workers, and --data.dataset.<name>, its own.")
    command.add_argument("dataset", metavar="DATA", help="a data set that 'zoo list datasets' shows")
    command.add_argument("--data.root", dest="root", metavar="FOLDER", help="where the data lives, as in 'zoo fit'")
    command.add_argument("--output", metavar="FILE", help="also write all findings to a .json file")
    command = add("new")
    command.add_argument("package", metavar="PACKAGE", help="the folder to make, named like the package: my-plugin")
    kinds = ("architecture", "dataset", "command")
    kind = "what it adds, more than once for more (default: architecture and dataset)"
    command.add_argument("--kind", action="append", choices=kinds, default=[], help=kind)
    add("doctor", epilog="--debug shows the traceback of each entry point that raises.")
    return parser


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
