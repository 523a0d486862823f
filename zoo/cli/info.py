"""zoo info: describe a registered name: its origin, documentation and options; a network's layers."""

from __future__ import annotations

import inspect
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from zoo.cli.parser import Parser
from zoo.cli.quiet import silence_libraries
from zoo.config.resolve import resolve
from zoo.core import registry
from zoo.core.errors import UserError, did_you_mean
from zoo.core.file_builder import is_file_name
from zoo.core.spec import InputSpec
from zoo.models.weights import offered_weights


def parser() -> Parser:
    """Return the command's parser."""
    own = "--model.architecture.<name>; with --plot those of a data set, --data.dataset.<name>"
    parser = Parser("info", epilog=f"The options of the name itself are options too, as in 'zoo fit': {own}")
    parser.add_argument("name", metavar="NAME", nargs="?", help="a name that 'zoo list' shows")
    parser.add_argument("--classes", type=int, metavar="N", help="show a network's layers for N classes")
    parser.add_argument("--channels", type=int, metavar="N", help="... and images of N channels")
    parser.add_argument("--image_size", metavar="N", help="... of N or H,W pixels")
    parser.add_argument("--data", metavar="NAME", help="... or for the images of this data set")
    parser.add_argument("--config", metavar="FILE", help="... or for the network and data of a YAML file")
    freeze = "mark what '--model.freeze N' freezes, N layers or a module; without N list what can be frozen"
    parser.add_argument("--freeze", metavar="N", nargs="?", const="", help=freeze)
    parser.add_argument("--plot", metavar="FILE", help="of a data set: draw samples of each class: .png, .svg or .pdf")
    parser.add_argument("--data.root", dest="root", metavar="FOLDER", help="where the data lives, as in 'zoo fit'")
    return parser


def main(argv: Sequence[str]) -> None:
    """Describe a registered name: its options, a network's layers."""
    command = parser()
    options, rest = command.parse_known_args(argv)
    for argument in rest:
        of_samples = options.plot is not None and argument.startswith("--data.dataset.")
        if argument.startswith("-") and not argument.startswith("--model.architecture.") and not of_samples:
            command.refuse(argument)
    if options.name is None and options.config is None:
        raise UserError("which name? zoo info NAME, or zoo info --config FILE")
    if options.plot is not None:
        silence_libraries()
    if options.name is None:
        options.name = resolve([f"--config={options.config}"]).names["architecture"]
    own = resolve(rest).options
    of_data = [option for option in own if option.startswith("--data.dataset.")]
    show_info(options, [option for option in own if option not in of_data], of_data)


def show_info(options: Namespace, hyperparameters: Sequence[str], of_data: Sequence[str] = ()) -> None:
    """Print what a registered name is: its origin, documentation and options; a network's layers.

    Args:
        options: of the command.
        hyperparameters: options of ``zoo fit`` that set an architecture's own.
        of_data: likewise a data set's own, whose samples are drawn.

    Raises:
        UserError: a name is unknown, the network cannot work on the data or be frozen so, or the file cannot be drawn.
        DownloadError: the data is not there and cannot be downloaded.
    """
    name = options.name
    kinds: list[registry.Kind] = ["architecture"] if is_file_name(name) else registry.kinds(name)
    if not kinds:
        names = [name for kind in registry.KINDS if kind != "command" for name in registry.list_names(kind)]
        raise UserError(f"unknown name '{name}'{did_you_mean(name, names)} ('zoo list' shows all)")
    if options.plot is not None and "dataset" not in kinds:
        raise UserError(f"--plot draws the samples of a data set; '{name}' is an {registry.KINDS[kinds[0]].title}")
    console = Console(highlight=False, emoji=False, markup=False)
    for kind in kinds:
        entry = registry.find(kind, name)
        origin = f"{entry.distribution} {entry.version}"
        print(f"{registry.KINDS[kind].title} {name}, from {origin} ({registry.KINDS[kind].use} {name})\n")
        if kind == "model":
            _show_card(name)
            continue
        builder = registry.load(kind, name)
        print(inspect.getdoc(builder) or "(its author wrote no documentation)")
        if kind == "command":
            continue
        _show_options(console, kind, builder)
        if kind == "architecture":
            print()
            _show_weights(builder)
            _show_layers(console, options, hyperparameters)
        elif kind == "dataset" and options.plot is not None:
            print()
            _show_samples(console, name, options.root, options.plot, of_data)


def _show_card(name: str) -> None:
    """Print the model card in the package of an installed model, without the Hub's front matter."""
    from zoo.models.installed import installed_folder, without_front_matter  # loads numpy

    card = (installed_folder(name) or Path()) / "README.md"
    if not card.is_file():
        print("(its package holds no model card)")
        return
    print(without_front_matter(card.read_text(encoding="utf-8")).strip())


def _show_options(console: Console, kind: registry.Kind, builder: Any) -> None:
    table = Table(title="options", title_justify="left")
    for column in ("option", "type", "default"):
        table.add_column(column)
    for option in registry.options(kind, builder):
        default = "required" if option.default is inspect.Parameter.empty else repr(option.default)
        table.add_row(f"{registry.KINDS[kind].option}{option.name}", option.type, default)
    if table.row_count:
        print()
        console.print(table)


def _show_weights(builder: Any) -> None:
    """Print the names of a network's published weights, those of one file on one line."""
    names: dict[str, list[str]] = {}
    offers = offered_weights(builder)
    for name, offer in offers.items():
        names.setdefault(offer.url, []).append(name)
    for url, same in names.items():
        offer = offers[same[0]]
        size = f"{offer.size}, " if offer.size else ""
        use = "" if offer.predicts else " (to train from)"
        print(f"--model.weights {' or '.join(same)}: {size}{offer.spec.height}x{offer.spec.width}, {url}{use}")
    if names:
        print()


def _show_samples(console: Console, name: str, root: str | None, plot: str, args: Sequence[str]) -> None:
    """Count a data set's images by split and class, print the counts and draw some of each class."""
    from zoo.config.data_options import parse_data_options
    from zoo.data.dataset_summary import summarise
    from zoo.data.root import default_root
    from zoo.reports.plots import ClassRow, draw_samples, require_plot, shrink

    path = require_plot("--plot", plot)
    of_data = parse_data_options("info", name, args, {})["dataset"]
    summary = summarise(name, default_root() if root is None else Path(root), shrink, of_data)
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


def _show_layers(console: Console, options: Namespace, hyperparameters: Sequence[str]) -> None:
    """Print a table of the layers, numbered, and of the operations between them; or what can be frozen."""
    from zoo.models.layers import freeze, layers_and_operations

    architecture, spec = _described(options, hyperparameters)
    name = architecture.pop("name")
    network = registry.call("architecture", name, (spec,), architecture)
    frozen: set[str] = set()
    if options.freeze:
        what = int(options.freeze) if options.freeze.isdecimal() else options.freeze
        frozen = freeze(network, spec, what).parameters
    steps = layers_and_operations(network, spec)
    numbers = {layer.name: number for number, layer in enumerate((step for step in steps if step.parameters), 1)}
    if options.freeze == "":
        print(
            "'--model.freeze N' freezes layers 1 to N; backbone, stem, or a range such as blocks.0-3; or one of these:"
        )
        for path, number in list(numbers.items())[:-1]:
            print(f"{number:>5}  {path}")
        return
    images = f"{spec.height}x{spec.width}x{spec.channels}"
    table = Table(title=f"layers, for {len(spec.classes):,} classes of {images} images", title_justify="left")
    for column in ("", "layer", "kind", "output", "parameters", "MFLOPs", "frozen"):
        right = column in ("", "parameters", "MFLOPs")
        # --model.freeze takes a layer's name, which must not be cut.
        table.add_column(
            column, justify="right" if right else "left", overflow="fold" if column == "layer" else "ellipsis"
        )
    for step in steps:
        shape = "x".join(map(str, step.shape))
        if not step.parameters:
            table.add_row("", step.name, step.kind, shape, "", "", "")
            continue
        count = sum(parameter in frozen for parameter in step.parameters)
        mark = "" if not count else "yes" if count == len(step.parameters) else "in part"
        table.add_row(
            str(numbers[step.name]), step.name, step.kind, shape, f"{step.count:,}", f"{step.flops / 1e6:,.3f}", mark
        )
    table.add_section()
    total = f"{sum(step.count for step in steps):,}", f"{sum(step.flops for step in steps) / 1e6:,.3f}"
    table.add_row("", "all", "", "", *total, "")
    console.print(table)


def _described(options: Namespace, hyperparameters: Sequence[str]) -> tuple[dict[str, Any], InputSpec]:
    """Return the architecture, ``{"name": ..., hyperparameters}``, and the images it is shown for."""
    from zoo.data.image_data import ImageData
    from zoo.data.input_options import parse_size

    architecture: dict[str, Any] = {"name": options.name}
    data = {"dataset": options.data or "digits", "root": options.root, "image_size": options.image_size}
    if hyperparameters or options.config is not None:
        from zoo.config.builder import ZooCLI

        class SettingsCLI(ZooCLI):
            """Reads a configuration, and builds nothing."""

            def instantiate_classes(self) -> None: ...

        values = {"--config": options.config, "--model": options.name, "--data": options.data}
        values |= {"--data.root": options.root, "--data.image_size": options.image_size}
        arguments = [f"{option}={value}" for option, value in values.items() if value is not None]
        silence_libraries()
        settings = SettingsCLI("info", resolve([*arguments, *hyperparameters]), None).config.as_dict()
        architecture, data = {"name": options.name, **settings["model"]["architecture"]}, settings["data"]
    classes, channels, size = options.classes, options.channels, options.image_size
    if (options.data or options.config) and None in (classes, channels, size):
        spec = ImageData(**data).spec
    else:
        spec = InputSpec(tuple(map(str, range(1000))), 3, 224, 224, (0.5,) * 3, (0.5,) * 3)
    height, width = (spec.height, spec.width) if size is None else parse_size(size)
    if any(number is not None and number < 1 for number in (classes, channels)):
        raise UserError(f"--classes is {classes} and --channels {channels}; allowed is 1 or more")
    names = spec.classes if classes is None else tuple(map(str, range(classes)))
    channels = channels or spec.channels
    return architecture, InputSpec(names, channels, height, width, (0.5,) * channels, (0.5,) * channels)
