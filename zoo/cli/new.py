"""zoo new: writes a package that adds names to zoo, with tests that pass, to change into one's own."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from string import Template

from zoo.cli.parser import Parser
from zoo.core import registry
from zoo.core.errors import UserError

PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.26"]
build-backend = "hatchling.build"

[project]
name = "$distribution"
version = "0.1.0"
description = "Adds names to zoo"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["zoo-classifiers>=$zoo_version"]

[project.optional-dependencies]
test = ["pytest>=9"]
$entry_points
[tool.hatch.build.targets.wheel]
packages = ["$package"]
"""

README = """\
# $distribution

    pip install .        # or pip install -e . while you change it
    zoo doctor           # shows whether its names work
$commands
    pip install .[test] && pytest
"""

INIT = '''\
"""Names for zoo."""
'''

ARCHITECTURE = '''\
"""$package: a small convolutional network."""

from torch import nn
from zoo import InputSpec


def $package(spec: InputSpec, width: int = 16) -> nn.Module:
    """Two convolutions, the mean over the image, a dense layer.

    Args:
        spec: what the network must know of its data: classes, channels, height, width.
        width: channels of the first convolution.
    """
    return nn.Sequential(
        nn.Conv2d(spec.channels, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, len(spec.classes)),
    )
'''

DATASET = '''\
"""${package}_data: dark and light images, by a formula."""

from pathlib import Path
from typing import Literal

import numpy as np
from zoo import NoSplitError


def ${package}_data(root: Path, split: Literal["train", "val", "test"], count: int = 200) -> "Images":
    """Dark and light noise, 16x16 grey.

    Args:
        root: the folder that --data.root names; a formula needs none.
        split: train or test; of train zoo takes a tenth as val.
        count: images in the split.
    """
    if split == "val":
        raise NoSplitError(split)
    return Images(count, seed=0 if split == "train" else 1)


class Images:
    """Items of (image, label): uint8 (height, width, channels) or a PIL image, and an index into classes."""

    classes = ("dark", "light")

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        label = index % 2
        rng = np.random.default_rng((self.seed, index))
        return rng.integers(60 * label, 196 + 60 * label, (16, 16, 1), np.uint8), label
'''

COMMAND = '''\
"""zoo $distribution: a command."""

from collections.abc import Sequence

import zoo
from zoo import UserError


def command(words: Sequence[str]) -> None:
    """Print the registered names that contain a word.

    Args:
        words: what follows ``zoo $distribution``: one word.

    Raises:
        UserError: there is not one word, or no name contains it.
    """
    if len(words) != 1:
        raise UserError(f"zoo $distribution WORD, received {len(words)} words")
    found = [*zoo.list_architectures(f"*{words[0]}*"), *zoo.list_datasets(f"*{words[0]}*")]
    if not found:
        raise UserError(f"no name contains '{words[0]}' ('zoo list' shows all)")
    print(*found, sep="\\n")
'''

TESTS: Mapping[str, str] = {
    "architecture": '''\
"""The network keeps zoo's contract."""

from zoo.testing import check_architecture


def test_the_network_keeps_the_contract():
    check_architecture("$package", width=4)
''',
    "dataset": '''\
"""The data set keeps zoo's contract."""

from zoo.testing import check_dataset


def test_the_data_set_keeps_the_contract(tmp_path):
    check_dataset("${package}_data", root=tmp_path)
''',
    "command": '''\
"""The command prints names, or says what it needs."""

from zoo.cli import main


def test_the_command_prints_names(capsys):
    assert main(["$distribution", "lenet"]) == 0
    assert "lenet5" in capsys.readouterr().out.splitlines()


def test_the_command_says_what_it_needs(capsys):
    assert main(["$distribution"]) == 2
    assert "received 0 words" in capsys.readouterr().err
''',
}

#: Of each kind: module and its text, the entry point's group, name and value, and a command to try.
PARTS: Mapping[str, tuple[str, str, str, str, str]] = {
    "architecture": ("networks.py", ARCHITECTURE, "zoo.architectures", '$package = "$package.networks:$package"', ""),
    "dataset": ("data.py", DATASET, "zoo.datasets", '${package}_data = "$package.data:${package}_data"', ""),
    "command": (
        "commands.py",
        COMMAND,
        "zoo.commands",
        '$distribution = "$package.commands:command"',
        "zoo $distribution lenet",
    ),
}


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser("new")
    parser.add_argument("package", metavar="PACKAGE", help="the folder to make, named like the package: my-plugin")
    kind = "what it adds, more than once for more (default: architecture and dataset)"
    parser.add_argument("--kind", action="append", choices=tuple(PARTS), default=[], help=kind)
    return parser


def main(argv: Sequence[str]) -> None:
    """Write a package that adds names to zoo."""
    options = parser().parse_args(argv)
    new_package(options.package, options.kind)


def new_package(path: str, kinds: Sequence[str]) -> Path:
    """Write a package and print what to do with it.

    Args:
        path: the folder to make; its last part is the distribution's name.
        kinds: what it adds: some of ``architecture``, ``dataset``, ``command``; empty for the first two.

    Returns:
        The folder.

    Raises:
        UserError: the name cannot be one, or is taken, or the folder is there or cannot be made.
    """
    folder = Path(path)
    name = folder.name
    package = re.sub(r"[-.]", "_", name)
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_.][a-z0-9]+)*", name) or keyword.iskeyword(package):
        raise UserError(f"'{name}' cannot name a package; allowed are small letters and digits, with - between words")
    if find_spec(package) is not None:
        raise UserError(f"there is a module '{package}' already; choose another name")
    if registry.kinds(package) or registry.kinds(name):
        raise UserError(
            f"the name '{name}' is registered already ('zoo info {name}' shows by whom); choose another one"
        )
    chosen = list(dict.fromkeys(kinds)) or ["architecture", "dataset"]
    values = {"distribution": name, "package": package, **_names(chosen, name, package)}
    files = {"pyproject.toml": PYPROJECT, "README.md": README, f"{package}/__init__.py": INIT}
    for kind in chosen:
        module, text, *_ = PARTS[kind]
        files[f"{package}/{module}"] = text
        files[f"tests/test_{kind}.py"] = TESTS[kind]
    try:
        folder.mkdir(parents=True)
        for file, text in files.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(Template(text).substitute(values), encoding="utf-8")
    except FileExistsError as error:
        raise UserError(f"{folder} is there already; choose another name, or remove it") from error
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from error
    print(f"{folder}: now pip install -e {folder}, and zoo doctor; {folder / 'README.md'} says more")
    return folder


def _names(kinds: Sequence[str], distribution: str, package: str) -> dict[str, str]:
    """Return the texts that depend on all kinds together."""
    from zoo.core.version import __version__

    names = {"distribution": distribution, "package": package}
    points = [f'\n[project.entry-points."{PARTS[kind][2]}"]\n{PARTS[kind][3]}\n' for kind in kinds]
    model = f"--model {package} " if "architecture" in kinds else ""
    data = f"--data {package}_data " if "dataset" in kinds else ""
    tried = [f"zoo fit {model}{data}--trainer.max_epochs 3"] if model or data else []
    tried += [PARTS[kind][4] for kind in kinds if PARTS[kind][4]]
    return {
        "entry_points": Template("".join(points)).substitute(names),
        "commands": Template("".join(f"    {command}\n" for command in tried)).substitute(names).rstrip("\n"),
        "zoo_version": __version__,
    }
