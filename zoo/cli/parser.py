"""The words after ``zoo``: commands, their options and help, by argparse; without torch."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from zoo.core import registry
from zoo.core.errors import UserError, did_you_mean
from zoo.runs.summary import RUN_COLUMNS

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


class Parser(argparse.ArgumentParser):
    """argparse that reports in one line, and through the same door as every other error."""

    def error(self, message: str) -> NoReturn:
        """Raise a UserError."""
        if message.startswith("argument command: invalid choice"):
            word = message.split("'")[1]
            known = [*COMMANDS, *registry.list_names("command")]
            message = f"unknown command '{word}'{did_you_mean(word, known)} ('zoo --help' shows all)"
        raise UserError(message)


def _commands() -> str:
    """Return the lines of help that name every command, those of other distributions from metadata."""
    plugins = {entry.name: f"of {entry.distribution} {entry.version}" for entry in registry.entries("command")}
    groups = GROUPS | ({"of plugins ('zoo info COMMAND' describes one)": plugins} if plugins else {})
    parts = ["Train, fine-tune, test and ship image classifiers."]
    for title, commands in groups.items():
        parts.append("\n".join([f"{title}:", *(f"  {name:<10}{text}" for name, text in commands.items())]))
    return "\n\n".join(parts)


def arguments() -> argparse.ArgumentParser:
    """Return the parser of all commands but those that have one of their own: fit, bench, find, and plugins'."""
    from zoo.core.version import __version__

    parser = Parser(
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
    command.add_argument("folder", metavar="FOLDER", nargs="?", default="runs", help="where to look (default: runs)")
    sort = "names from A to Z, accuracies, epochs and dates the highest first (default: date)"
    command.add_argument("--sort", choices=RUN_COLUMNS, default="date", help=sort)
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


def bench_arguments() -> argparse.ArgumentParser:
    """Return the parser of zoo bench's own options."""
    parser = _beside_fit("bench")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (default: 3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="that each measurement takes (default: 5)")
    parser.add_argument(
        "--against", metavar="PEERS", default="", help="compare with: loop, lightning or loop,lightning"
    )
    parser.add_argument("--output", metavar="FILE", help="also write a .json file")
    return parser


def find_arguments() -> argparse.ArgumentParser:
    """Return the parser of zoo find's own options."""
    parser = _beside_fit("find")
    parser.add_argument("what", metavar="lr|batch_size", help="what to find; nothing is written")
    parser.add_argument("--plot", metavar="FILE", help="of lr: draw the losses, .png, .svg or .pdf")
    return parser


def _beside_fit(command: str) -> Parser:
    text = f"{COMMANDS[command]}. Other options are those of 'zoo fit'."
    return Parser(prog=f"zoo {command}", description=text, allow_abbrev=False)
