"""zoo package: write a run as a wheel, which pip installs and whose name zoo and its runtime then take as a model."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from zoo.cli.parser import Parser, run_parser
from zoo.cli.quiet import silence_libraries
from zoo.core.console import print_stderr
from zoo.core.errors import UserError


def parser() -> Parser:
    """Return the command's parser."""
    parser = run_parser("package", epilog="Options of fit override what the run was trained with: --data.root")
    parser.add_argument("--name", help="of the package and of the model: flower-classifier")
    parser.add_argument("--version", default="1.0", help="of the package (default: 1.0)")
    parser.add_argument("--output", metavar="FOLDER", default="dist", help="where the wheel goes (default: dist)")
    return parser


def main(argv: Sequence[str]) -> None:
    """Write a run as a wheel with model.onnx, weights, model card and an entry point; its path is the last line.

    The wheel of zoo-runtime, which reads it without torch, is written beside it.
    """
    options, rest = parser().parse_known_args(argv)
    if options.name is None:
        raise UserError("which name? zoo package RUN --name flower-classifier --version 1.0")
    wheel = package([options.run, *rest], options.name, options.version, options.output)
    from zoo.export.app_wheels import write_runtime

    runtime = write_runtime(wheel.parent)
    print_stderr(
        f"now: pip install {wheel}, then: zoo predict {options.name} PHOTO\n"
        f"in an environment without torch: pip install {runtime} {wheel}"
    )
    print(wheel)


def package(args: Sequence[str], name: str, version: str = "1.0", output: str = "dist") -> Path:
    """Export a run and pack it.

    Args:
        args: the run folder, then options that override its configuration, such as ``--data.root``.
        name: of the distribution and of the model.
        version: of the distribution.
        output: the folder in which the wheel goes.

    Returns:
        The wheel.

    Raises:
        UserError: the run, an option, the name or the version is wrong.
        RunError: the network cannot be exported, or the wheel not be written.
    """
    from zoo.config.export import export
    from zoo.core.file_builder import is_file_origin
    from zoo.core.version import __version__
    from zoo.export.wheel import require_name, require_version, write_wheel
    from zoo.models.checkpoint import PLAIN, read_checkpoint
    from zoo.models.installed import WEIGHTS, write_description
    from zoo.reports.card import model_card
    from zoo.runs.folder import Run

    silence_libraries()
    module = require_name(name)
    version = require_version(version)
    run = Run.open(args[0])
    checkpoint = read_checkpoint(run.trained())
    print_stderr(f"exports {run.path} as model.onnx, and compares its answers with those of the checkpoint (1 of 3)")
    export(args)
    print_stderr("writes the model card and the weights (2 of 3)")
    architecture = checkpoint["hyper_parameters"]["architecture"]
    card = model_card(run, name, f"{module}-{version}-py3-none-any.whl")
    files: dict[str, Path | str] = {"model.onnx": run.path / "model.onnx", "README.md": card}
    if run.training_images.is_file():
        files[run.training_images.name] = run.training_images
    files |= {file.name: file for file in run.path.glob("*.py")}  # of a network that is a file
    origin = architecture.get("from", "")
    needed = [f"zoo-classifiers>={__version__}"]
    if origin and not is_file_origin(origin) and not origin.startswith("zoo-classifiers=="):
        needed.append(origin.replace("==", ">="))
    with tempfile.TemporaryDirectory() as folder:
        files[WEIGHTS] = Path(folder, WEIGHTS)
        write_description(checkpoint, PLAIN, Path(folder, WEIGHTS), run.temperature(checkpoint["global_step"]))
        print_stderr(f"packs them in {output} (3 of 3)")
        return write_wheel(Path(output), name, version, files, {"zoo": needed, "runtime": ["zoo-runtime"]})
