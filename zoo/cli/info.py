"""zoo info: describe a registered name: its origin, documentation and options; a network's layers."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from zoo.cli.parser import Parser
from zoo.cli.quiet import silence_libraries
from zoo.core import registry
from zoo.core.errors import UserError, did_you_mean
from zoo.models.weights import offered_weights


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser("info")
    parser.add_argument("name", metavar="NAME", help="a name that 'zoo list' shows")
    parser.add_argument("--data", metavar="NAME", help="show a network's layers for the images of this data set")
    parser.add_argument("--freeze", metavar="N", help="mark what '--model.freeze N' stops: N layers, or a module")
    parser.add_argument("--plot", metavar="FILE", help="of a data set: draw samples of each class: .png, .svg or .pdf")
    parser.add_argument("--data.root", dest="root", metavar="FOLDER", help="where the data lives, as in 'zoo fit'")
    return parser


def main(argv: Sequence[str]) -> None:
    """Describe a registered name: its options, a network's layers."""
    options = parser().parse_args(argv)
    if options.plot is not None:
        silence_libraries()
    show_info(options.name, options.data, options.freeze, options.root, options.plot)


def show_info(
    name: str, data: str | None = None, freeze: str | None = None, root: str | None = None, plot: str | None = None
) -> None:
    """Print what a registered name is: where it comes from, its documentation, its options; of a network its layers.

    Args:
        name: a registered name.
        data: the data set whose images the layers are shown for; by default 224x224 RGB and 1,000 classes.
        freeze: what ``--model.freeze`` would be given: the layers it stops are marked.
        root: where data lives; as in ImageDataModule.
        plot: a file to draw samples of a data set's classes in; its images are counted and shown as a table too.

    Raises:
        UserError: a name is unknown, the network cannot work on the data or be frozen so, or the file cannot be drawn.
        DownloadError: the data is not there and cannot be downloaded.
    """
    kinds = registry.kinds(name)
    if not kinds:
        known = [*registry.list_names("architecture"), *registry.list_names("dataset")]
        raise UserError(f"unknown name '{name}'{did_you_mean(name, known)} ('zoo list' shows all)")
    if plot is not None and "dataset" not in kinds:
        raise UserError(f"--plot draws the samples of a data set; '{name}' is an architecture")
    console = Console(highlight=False, emoji=False, markup=False)
    for kind in kinds:
        entry = registry.find(kind, name)
        builder = registry.load(kind, name)
        prefix = {"architecture": "--model", "dataset": "--data", "command": "zoo"}[kind]
        print(f"{registry.KIND_NAMES[kind]} {name}, from {entry.distribution} {entry.version} ({prefix} {name})\n")
        print(inspect.getdoc(builder) or "(its author wrote no documentation)")
        if kind == "command":
            continue
        key = {"architecture": "--model.architecture", "dataset": "--data.dataset"}[kind]
        table = Table(title="options", title_justify="left")
        for column in ("option", "type", "default"):
            table.add_column(column)
        for option in registry.options(kind, builder):
            default = "required" if option.default is inspect.Parameter.empty else repr(option.default)
            table.add_row(f"{key}.{option.name}", option.type, default)
        if table.row_count:
            print()
            console.print(table)
        if kind == "architecture":
            print()
            _show_weights(builder)
            _show_layers(console, name, data, freeze, root)
        elif plot is not None:
            print()
            _show_samples(console, name, root, plot)


def _show_weights(builder: Any) -> None:
    """Print the names of a network's published weights, those of one file on one line."""
    names: dict[str, list[str]] = {}
    offers = offered_weights(builder)
    for name, offer in offers.items():
        names.setdefault(offer.url, []).append(name)
    for url, same in names.items():
        offer = offers[same[0]]
        size = f"{offer.size}, " if offer.size else ""
        print(f"--model.weights {' or '.join(same)}: {size}{offer.spec.height}x{offer.spec.width}, {url}")
    if names:
        print()


def _show_samples(console: Console, name: str, root: str | None, plot: str) -> None:
    """Count a data set's images by split and class, print the counts and draw some of each class."""
    from zoo.data import inspection
    from zoo.data.root import default_root
    from zoo.reports.plots import ClassRow, draw_samples, require_plot, shrink

    path = require_plot("--plot", plot)
    summary = inspection.summarise(name, default_root() if root is None else Path(root), shrink)
    table = Table(title=f"images of {summary.shapes}", title_justify="left")
    table.add_column("class")
    for split in summary.counts:
        table.add_column(split, justify="right")
    for label, word in enumerate(summary.classes):
        table.add_row(word, *(f"{counts[label]:,}" for counts in summary.counts.values()))
    table.add_section()
    totals = {split: sum(counts) for split, counts in summary.counts.items()}
    table.add_row("all", *(f"{total:,}" for total in totals.values()))
    rows = []
    for label, word in enumerate(summary.classes):
        caption = ", ".join(f"{counts[label]:,} {split}" for split, counts in summary.counts.items())
        rows.append(ClassRow(word, caption, summary.samples[label]))
    title = (
        f"{name}: "
        + ", ".join(f"{total:,} {split}" for split, total in totals.items())
        + f" images of {summary.shapes}"
    )
    draw_samples(path, title, rows)
    console.print(table)


def _show_layers(console: Console, name: str, data: str | None, freeze: str | None, root: str | None) -> None:
    from zoo.core.spec import InputSpec
    from zoo.data.image_data import ImageData
    from zoo.models import layers as freezing

    if data is None:
        spec = InputSpec(tuple(map(str, range(1000))), 3, 224, 224, (0.5,) * 3, (0.5,) * 3)
    else:
        spec = ImageData(data, root).spec
    network = registry.call("architecture", name, (spec,), {})
    frozen: set[str] = set()
    if freeze is not None:
        frozen = freezing.freeze(network, spec, int(freeze) if freeze.isdecimal() else freeze).parameters
    layers = freezing.layers(network, spec)
    images = f"{spec.height}x{spec.width}x{spec.channels}"
    table = Table(title=f"layers, for {len(spec.classes):,} classes of {images} images", title_justify="left")
    for column in ("", "layer", "kind", "output", "parameters", "MFLOPs", "frozen"):
        right = column in ("", "parameters", "MFLOPs")
        # --model.freeze takes a layer's name, which must not be cut.
        table.add_column(
            column, justify="right" if right else "left", overflow="fold" if column == "layer" else "ellipsis"
        )
    for number, layer in enumerate(layers, 1):
        shape = "x".join(map(str, layer.shape))
        stopped = sum(parameter in frozen for parameter in layer.parameters)
        mark = "" if not stopped else "yes" if stopped == len(layer.parameters) else "in part"
        table.add_row(str(number), layer.name, layer.kind, shape, f"{layer.count:,}", f"{layer.flops / 1e6:,.3f}", mark)
    table.add_section()
    total = f"{sum(layer.count for layer in layers):,}", f"{sum(layer.flops for layer in layers) / 1e6:,.3f}"
    table.add_row("", "all", "", "", *total, "")
    console.print(table)
