"""zoo new: copy the plugin ``zoo-example`` under a new name, with tests that pass; or write a web page for a model."""

from __future__ import annotations

import keyword
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from zoo.cli.parser import Parser
from zoo.core import registry
from zoo.core.errors import UserError

#: Where the plugin is: beside this file in a wheel, among the plugins in a checkout.
PLACES = (Path(__file__).parent / "zoo-example", Path(__file__).parents[2] / "plugins" / "zoo-example")


#: Options that take the name of a part of training.
PART_OPTIONS = (
    "--model.loss",
    "--model.metrics",
    "--optimizer",
    "--lr_scheduler",
    "--model.task",
    "--callbacks",
    "--logger",
)


class Part(NamedTuple):
    """What one kind of name consists of in ``zoo-example``; its test is ``tests/test_<kind>.py``.

    Args:
        module: its file.
        group: of its entry point.
        name: that it registers.
        suffix: follows the package's name in the name that a new package registers.
    """

    module: str
    group: str
    name: str
    suffix: str = ""

    @property
    def occurrences(self) -> str:
        """A regular expression of the places that use the registered name; elsewhere it is a word or a function."""
        before = "".join(f"|(?<={word} )" for word in ("--model", "--data", "zoo", *PART_OPTIONS))
        return rf'(?m:^{self.name}(?= = ")|(?:(?<="){before}){self.name}(?=["`:\s]|$))'


PARTS: Mapping[str, Part] = {
    "architecture": Part("networks.py", "zoo.architectures", "mlp"),
    "dataset": Part("data.py", "zoo.datasets", "stripes", "_data"),
    "loss": Part("losses.py", "zoo.losses", "hinge", "_loss"),
    "metric": Part("metrics.py", "zoo.metrics", "lead", "_metric"),
    "optimizer": Part("optimizers.py", "zoo.optimizers", "sign_sgd", "_optimizer"),
    "scheduler": Part("schedulers.py", "zoo.schedulers", "inverse_root", "_scheduler"),
    "task": Part("tasks.py", "zoo.tasks", "fgsm", "_task"),
    "callback": Part("callbacks.py", "zoo.callbacks", "weight_norm", "_callback"),
    "logger": Part("loggers.py", "zoo.loggers", "lines", "_logger"),
    "command": Part("commands.py", "zoo.commands", "parameters"),
}


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser("new")
    parser.add_argument("package", metavar="PACKAGE", help="the folder to make, named like the package: my-plugin")
    kind = "what it adds; repeat it to add several (default: architecture and dataset)"
    parser.add_argument("--kind", action="append", choices=tuple(PARTS), default=[], help=kind)
    app = (
        "in place of a package: write a web page that classifies with an installed model or a .onnx file, without torch"
    )
    parser.add_argument("--app", metavar="MODEL", help=app)
    return parser


def main(argv: Sequence[str]) -> None:
    """Write a package that adds names to zoo."""
    options = parser().parse_args(argv)
    if options.app is not None:
        if options.kind:
            raise UserError("--app writes a web page, and --kind parts of a package; leave one of them out")
        new_app(options.package, options.app)
        return
    new_package(options.package, options.kind)


def new_package(path: str, kinds: Sequence[str]) -> Path:
    """Write a package and print what to do with it.

    Args:
        path: the folder to make; its last part is the distribution's name.
        kinds: what it adds: some of PARTS; empty for architecture and dataset.

    Returns:
        The folder.

    Raises:
        UserError: the name is not allowed or taken, or the folder exists or cannot be made.
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
    _write(folder, _files(name, package, kinds or ["architecture", "dataset"]))
    print(f"{folder}: now pip install -e {folder}, and zoo doctor; {folder / 'README.md'} says more")
    return folder


def new_app(path: str, model: str) -> Path:
    """Write a web page that classifies pictures, as a program of the standard library and ``zoo_runtime``.

    The wheels of zoo-runtime and of the model are in the folder, and pip asks no package index for them.

    Args:
        path: the folder to make.
        model: the name of an installed model, or a ``.onnx`` file, which is copied.

    Returns:
        The folder.

    Raises:
        UserError: there is no such model, or the folder exists or cannot be made.
    """
    from zoo import runtime  # loads numpy
    from zoo.export.app_wheels import repack, write_runtime
    from zoo.images.files import as_user_errors

    folder, file = Path(path), Path(model)
    with as_user_errors():
        installed = None if os.path.isfile(file) else runtime.installed_model(model)
    if installed is None and not (os.path.isfile(file) and file.suffix == ".onnx"):
        hint = "; pip install its wheel first" if file.suffix != ".onnx" else ""
        raise UserError(
            f"--app is '{model}', which is neither an installed model ('zoo list models') nor a .onnx file{hint}"
        )
    name, entry = ("model.onnx", None) if installed is None else (model, registry.find("model", model))
    form = Path(__file__).parent / "web_form"
    files: dict[str, str | Path] = {
        source.name: source.read_text(encoding="utf-8").replace("MODEL", name)
        for source in sorted(form.iterdir())
        if source.is_file()
    }
    with tempfile.TemporaryDirectory() as place:
        wheels = [write_runtime(Path(place))]
        if isinstance(entry, registry.Entry):
            wheels.append(repack(distribution(entry.distribution), Path(place)))
        files["requirements.txt"] = "".join(f"./wheels/{wheel.name}\n" for wheel in wheels)
        files |= {f"wheels/{wheel.name}": wheel for wheel in wheels}
        _write(folder, files | ({name: file} if installed is None else {}))
    print(f"{folder}: now cd {folder} && pip install -r requirements.txt && python app.py; README.md says more")
    return folder


def _write(folder: Path, files: Mapping[str, str | Path]) -> None:
    """Make a folder with these texts and copies of files, which appears when it is whole.

    Raises:
        UserError: it is there, or cannot be made.
    """
    if os.path.lexists(folder):
        raise UserError(f"{folder} is there already; choose another name, or remove it")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as beside:
            part = Path(beside, folder.name)
            part.mkdir()
            for name, content in files.items():
                (part / name).parent.mkdir(exist_ok=True)
                if isinstance(content, Path):
                    shutil.copyfile(content, part / name)
                else:
                    (part / name).write_text(content, encoding="utf-8")
            part.rename(folder)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from error


def _files(name: str, package: str, kinds: Sequence[str]) -> dict[str, str | Path]:
    """Return the new package's files, ``{path in it: text}``: those of the kinds, with the new names.

    An architecture is named like the package, a command like the distribution, others after their kind:
    ``<package>_data``, ``<package>_loss``.
    """
    source = next(place for place in PLACES if place.is_dir())
    left_out = [kind for kind in PARTS if kind not in kinds]
    files = [source / "pyproject.toml", source / "README.md", *sorted(source.glob("*/*.py"))]
    skipped = {PARTS[kind].module for kind in left_out} | {f"test_{kind}.py" for kind in left_out}
    if not {"architecture", "dataset"} <= set(kinds):
        skipped.add("test_training.py")
    names = {kind: f"{package}{part.suffix}" for kind, part in PARTS.items()} | {"command": name}
    texts: dict[str, str | Path] = {}
    for file in files:
        if file.name in skipped:
            continue
        text = file.read_text(encoding="utf-8")
        if file.suffix != ".py":
            text = _without(text, left_out)
        for kind, part in PARTS.items():
            text = re.sub(part.occurrences, names[kind], text)
        path = file.relative_to(source).as_posix().replace("zoo_example", package)
        texts[path] = text.replace("zoo_example", package).replace("zoo-example", name)
    return texts


def _without(text: str, kinds: Sequence[str]) -> str:
    """Leave out the lines about kinds, and the license, which is the new author's to choose."""
    parts = [PARTS[kind] for kind in kinds]
    patterns = ["^license = ", *(rf"{part.occurrences}|{part.group}|/{part.module}" for part in parts)]
    lines = [line for line in text.splitlines() if not any(re.search(pattern, line) for pattern in patterns)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines) + "\n")
