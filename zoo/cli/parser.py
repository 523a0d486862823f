"""The table of built-in commands, and the parser that each of them has; without torch."""

from __future__ import annotations

import argparse
import re
from typing import Any, Literal, NoReturn

from zoo.core.errors import UserError, did_you_mean

#: Title of a group -> name of a command -> its line in ``zoo --help``. Each is an entry point of pyproject.toml too.
GROUPS = {
    "train and measure": {
        "fit": "train a new run, or resume one: zoo fit RUN",
        "validate": "measure a run on its validation split",
        "test": "measure a run on its test split; writes results.json and predictions.csv",
        "report": "write a page about one run, or a page that compares several",
        "runs": "list runs: accuracies, epochs, state",
        "find": "try learning rates or batch sizes, and print the one to start with",
        "bench": "measure how fast a training runs and what would make it faster",
    },
    "use": {
        "predict": "classify images with a run, an exported model or a pretrained network",
        "export": "write a run as one ONNX file with preprocessing and class names inside",
        "card": "write the model card of a run, in Markdown",
        "package": "write a run as a wheel, which pip installs and whose name is a model",
        "verify": "check that an exported model computes the right result on this machine",
    },
    "look around and extend": {
        "check": "read all images of a data set: damage, duplicates, leaks, odd sizes; or rank labels",
        "list": "list the registered architectures, data sets, augmentations and installed models",
        "info": "describe a registered name: its options, a network's layers",
        "doctor": "show versions, devices and data root, and load every entry point",
        "new": "write a package that adds names to zoo",
    },
}

COMMANDS = {name: line for commands in GROUPS.values() for name, line in commands.items()}

#: What RUN is, for help.
RUN_HELP = "the folder that 'zoo fit' printed"

#: Options of ``zoo fit`` that a command passes on: all of a new training, or those that a finished run can follow.
FitOptions = Literal["none", "new", "run"]


class Parser(argparse.ArgumentParser):
    """An argparse parser of one command, whose errors are one-line UserErrors.

    Args:
        command: its name, one of COMMANDS.
        description: what its help begins with; by default its line in the table.
        fit_options: which options of ``zoo fit`` the command takes as well; completion offers them.
        **options: further arguments of ``argparse.ArgumentParser``.
    """

    def __init__(
        self, command: str, description: str = "", *, fit_options: FitOptions = "none", **options: Any
    ) -> None:
        super().__init__(
            prog=f"zoo {command}", description=description or COMMANDS[command], allow_abbrev=False, **options
        )
        self.fit_options = fit_options

    def error(self, message: str) -> NoReturn:
        """Raise a UserError."""
        if match := re.match(r"unrecognized arguments: (\S+)", message):
            self.refuse(match[1])
        raise UserError(message)

    def refuse(self, argument: str) -> NoReturn:
        """Raise the UserError about an argument that the command does not take."""
        if not argument.startswith("-"):
            raise UserError(f"unexpected argument '{argument}' of '{self.prog}'; see '{self.prog} --help'")
        option = argument.partition("=")[0]
        near = did_you_mean(option, re.findall(r"--[\w.]+", self.format_usage() + self.format_help()))
        raise UserError(f"unknown option {option} of '{self.prog}'{near}; see '{self.prog} --help'")


def run_parser(command: str, epilog: str = "") -> Parser:
    """Return the parser of a command about one run, which takes options of ``zoo fit`` as well."""
    epilog = epilog or "Options of fit override what the run was trained with: --data.root, --trainer.*"
    parser = Parser(command, fit_options="run", epilog=epilog)
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    return parser


def add_tta(parser: Parser) -> None:
    """Add the option of test-time augmentation."""
    parser.add_argument(
        "--tta", choices=("flip",), help="average the logits of each image and its mirror image, in twice the time"
    )
