"""zoo predict: the likeliest classes of image files, by a run, an exported file or a network as it was published."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from zoo import runtime
from zoo.config.resolve import ConfigSources
from zoo.core.errors import UserError
from zoo.images.files import as_user_errors, decode, named_images
from zoo.runs.files import require_folder, write_atomically

Guess = tuple[str, float]


def predict(
    model: str | ConfigSources,
    images: Sequence[str],
    *,
    top_k: int = 10,
    output: str | None = None,
    plot: str | None = None,
) -> list[list[Guess]]:
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
        guesses = _by_file(model, files, top_k)
    else:
        from zoo.cli.classify import classify  # loads torch

        guesses = classify(model, files, top_k)
    if output is not None:
        write_atomically(Path(output), (_csv if suffix == ".csv" else _json)(files, guesses))
    if plot is not None:
        from zoo.reports.plots import draw_guesses, shrunk

        draw_guesses(Path(plot), [Path(path).name for path in files], [shrunk(decode(path)) for path in files], guesses)
    _show(files, guesses)
    return guesses


def _require_plot(plot: str, count: int) -> None:
    from zoo.reports.plots import MAX_IMAGES, require_plot

    require_plot("--plot", plot)
    if count > MAX_IMAGES:
        raise UserError(f"--plot draws at most {MAX_IMAGES} images, received {count}; write them to --output instead")


def _by_file(model: str, files: Sequence[str], top_k: int) -> list[list[Guess]]:
    """Return the guesses of an exported file."""
    with as_user_errors():
        return [
            [(name, value) for name, value in named] for named in runtime.Classifier(model).predict_batch(files, top_k)
        ]


def _show(files: Sequence[str], guesses: Sequence[list[Guess]]) -> None:
    table = Table()
    table.add_column("image", overflow="fold")
    table.add_column("class")
    table.add_column("probability", justify="right")
    for path, pairs in zip(files, guesses, strict=True):
        for rank, (name, probability) in enumerate(pairs):
            table.add_row(path if rank == 0 else "", name, f"{probability:.2%}", end_section=rank == len(pairs) - 1)
    Console(highlight=False, emoji=False, markup=False).print(table)


def _csv(files: Sequence[str], guesses: Sequence[list[Guess]]) -> str:
    """Return one line an image: file, class, probability, class_2, probability_2, ..."""
    suffixes = ["", *(f"_{rank}" for rank in range(2, len(guesses[0]) + 1))]
    header = ["file", *(word + suffix for suffix in suffixes for word in ("class", "probability"))]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    for path, pairs in zip(files, guesses, strict=True):
        writer.writerow([path, *(value for pair in pairs for value in pair)])
    return text.getvalue()


def _json(files: Sequence[str], guesses: Sequence[list[Guess]]) -> str:
    rows: list[dict[str, Any]] = [
        {"file": path, "predictions": [{"class": name, "probability": value} for name, value in pairs]}
        for path, pairs in zip(files, guesses, strict=True)
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
