"""zoo predict: the likeliest classes of image files, by a run, an exported model or a pretrained network."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.parser import Parser
from zoo.cli.quiet import silence_libraries
from zoo.core.errors import UserError
from zoo.runs.files import require_folder, write_atomically

if TYPE_CHECKING:
    from zoo.config.resolve import ConfigSources

#: A class name and its probability.
Prediction = tuple[str, float]


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser("predict")
    parser.add_argument(
        "paths",
        metavar="RUN_AND_IMAGES",
        nargs="+",
        help="a run folder, checkpoint or .onnx file, then images or folders; with --model or --config images alone",
    )
    parser.add_argument("--model", metavar="NAME", help="instead of RUN: a network as published, with --model.weights")
    parser.add_argument("--model.weights", dest="weights", metavar="WEIGHTS", help="DEFAULT, another name, a file ...")
    parser.add_argument("--config", metavar="FILE", help="instead of RUN: a YAML file that names model and weights")
    parser.add_argument("--top_k", type=int, default=10, help="classes shown for an image (default: 10)")
    parser.add_argument("--output", metavar="FILE", help="also write a .csv or .json file")
    parser.add_argument("--plot", metavar="FILE", help="also draw each image beside its classes: .png, .svg or .pdf")
    return parser


def main(argv: Sequence[str]) -> None:
    """Classify images with a run, an exported model or a pretrained network."""
    options = parser().parse_args(argv)

    from zoo.config.resolve import resolve

    named = {"--config": options.config, "--model": options.model, "--model.weights": options.weights}
    network = [f"{option}={value}" for option, value in named.items() if value is not None]
    paths = options.paths
    model = resolve(network) if network else paths.pop(0)
    if not paths:
        raise UserError("which images? zoo predict RUN IMAGE_OR_FOLDER...")
    silence_libraries()
    predict(model, paths, top_k=options.top_k, output=options.output, plot=options.plot)


def predict(
    model: str | ConfigSources,
    images: Sequence[str],
    *,
    top_k: int = 10,
    output: str | None = None,
    plot: str | None = None,
) -> list[list[Prediction]]:
    """Classify image files and print a table of the likeliest classes; if asked, write them to files.

    Args:
        model: a run folder, a checkpoint file or an exported ``.onnx`` file, or the configuration of a network with
            pretrained weights.
        images: image files, and folders that are searched for images at any depth.
        top_k: classes shown for an image; at most all of them.
        output: a ``.csv`` or ``.json`` file to write.
        plot: a ``.png``, ``.svg`` or ``.pdf`` file to draw each image beside its classes in.

    Returns:
        For each image its ``(class, probability)`` pairs, the likeliest first.

    Raises:
        UserError: the model, an option or a path is wrong.
        ImageError: an image cannot be read; nothing is written.
    """
    from zoo.images.files import decode, named_images

    if top_k < 1:
        raise UserError(f"--top_k is {top_k}; allowed is 1 or more")
    suffix = Path(output).suffix.lower() if output is not None else ""
    if output is not None and suffix not in (".csv", ".json"):
        raise UserError(f"--output is '{output}'; allowed are names that end in .csv or .json")
    if output is not None:
        require_folder("--output", output)
    files = list(named_images(images))
    if plot is not None:
        _require_plot(plot, len(files))
    if isinstance(model, str) and model.endswith(".onnx"):
        predictions = _by_exported_model(model, files, top_k)
    else:
        from zoo.cli.classify import classify  # loads torch

        predictions = classify(model, files, top_k)
    if output is not None:
        write_atomically(Path(output), (_csv if suffix == ".csv" else _json)(files, predictions))
    if plot is not None:
        from zoo.reports.plots import draw_predictions, shrink

        draw_predictions(
            Path(plot), [Path(path).name for path in files], [shrink(decode(path)) for path in files], predictions
        )
    _show(files, predictions)
    return predictions


def _require_plot(plot: str, count: int) -> None:
    from zoo.reports.plots import MAX_IMAGES, require_plot

    require_plot("--plot", plot)
    if count > MAX_IMAGES:
        raise UserError(f"--plot draws at most {MAX_IMAGES} images, received {count}; write them to --output instead")


def _by_exported_model(model: str, files: Sequence[str], top_k: int) -> list[list[Prediction]]:
    from zoo import runtime
    from zoo.images.files import as_user_errors

    with as_user_errors():
        predictions = runtime.Classifier(model).predict_batch(files, top_k)
    return [[(name, probability) for name, probability in pairs] for pairs in predictions]


def _show(files: Sequence[str], predictions: Sequence[list[Prediction]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    table.add_column("image", overflow="fold")
    table.add_column("class")
    table.add_column("probability", justify="right")
    for path, pairs in zip(files, predictions, strict=True):
        for rank, (name, probability) in enumerate(pairs):
            table.add_row(path if rank == 0 else "", name, f"{probability:.2%}", end_section=rank == len(pairs) - 1)
    Console(highlight=False, emoji=False, markup=False).print(table)


def _csv(files: Sequence[str], predictions: Sequence[list[Prediction]]) -> str:
    """Return one line an image: file, class, probability, class_2, probability_2, ..."""
    suffixes = ["", *(f"_{rank}" for rank in range(2, len(predictions[0]) + 1))]
    header = ["file", *(column + suffix for suffix in suffixes for column in ("class", "probability"))]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    for path, pairs in zip(files, predictions, strict=True):
        writer.writerow([path, *(value for pair in pairs for value in pair)])
    return text.getvalue()


def _json(files: Sequence[str], predictions: Sequence[list[Prediction]]) -> str:
    rows: list[dict[str, Any]] = [
        {"file": path, "predictions": [{"class": name, "probability": value} for name, value in pairs]}
        for path, pairs in zip(files, predictions, strict=True)
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
