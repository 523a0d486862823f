"""zoo predict: the likeliest classes of images, by a run, an exported model or a pretrained network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cli.parser import Parser, add_tta
from zoo.cli.quiet import silence_libraries
from zoo.core.console import print_stderr
from zoo.core.errors import UserError
from zoo.runs.files import require_folder

if TYPE_CHECKING:
    from zoo.config.resolve import ConfigSources
    from zoo.models.tta import TestTimeAugmentation

IMAGES_HELP = (
    "a run folder, checkpoint, .onnx file or installed model, then images: files, folders, patterns in quotes "
    "('photos/**/*.jpg'), @list.txt (a file of paths, one a line), - (such a list from "
    "standard input), http and https addresses; with --model or --config images alone"
)


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser("predict")
    parser.add_argument("paths", metavar="RUN_AND_IMAGES", nargs="+", help=IMAGES_HELP)
    parser.add_argument("--model", metavar="NAME", help="instead of RUN: a network as published, with --model.weights")
    parser.add_argument("--model.weights", dest="weights", metavar="WEIGHTS", help="DEFAULT, another name, a file ...")
    parser.add_argument("--config", metavar="FILE", help="instead of RUN: a YAML file that names model and weights")
    parser.add_argument("--top_k", type=int, default=10, help="classes named for an image (default: 10)")
    parser.add_argument(
        "--threshold", type=float, metavar="P", help="name only classes that are at least so probable, 0 to 1"
    )
    parser.add_argument("--all", action="store_true", help="write the probability of every class, a column each")
    parser.add_argument("--output", metavar="FILE", help="write a .csv, .jsonl (JSON lines) or .json file")
    parser.add_argument("--resume", action="store_true", help="go on where an interrupted command has stopped")
    parser.add_argument("--strict", action="store_true", help="stop at the first image that cannot be read")
    parser.add_argument("--invert", action="store_true", help="invert each image: dark strokes become light ones")
    parser.add_argument("--device", default="cpu", help="what computes: cpu (default), cuda or cuda:N")
    add_tta(parser)
    parser.add_argument("--plot", metavar="FILE", help="draw images beside their classes: .png, .svg or .pdf")
    parser.add_argument("--quiet", action="store_true", help="print errors alone; needs --output or --plot")
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
    wanted = Wanted(
        top_k=options.top_k,
        threshold=options.threshold,
        all_classes=options.all,
        output=options.output,
        resume=options.resume,
        strict=options.strict,
        invert=options.invert,
        tta=options.tta,
        device=options.device,
        plot=options.plot,
        quiet=options.quiet,
    )
    predict(model, paths, wanted)


@dataclass(frozen=True)
class Wanted:
    """What a prediction is to show and to write; the command's options say what each means.

    Raises:
        UserError: a value is not allowed.
    """

    top_k: int = 10
    threshold: float | None = None
    all_classes: bool = False
    output: str | None = None
    resume: bool = False
    strict: bool = False
    invert: bool = False
    tta: TestTimeAugmentation | None = None
    device: str = "cpu"
    plot: str | None = None
    quiet: bool = False

    def __post_init__(self) -> None:
        if self.top_k < 1:
            raise UserError(f"--top_k is {self.top_k}; allowed is 1 or more")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UserError(f"--threshold is {self.threshold:g}; allowed is 0 to 1")
        if self.output is not None:
            from zoo.reports.prediction_rows import FORMATS

            if Path(self.output).suffix.lower() not in FORMATS:
                raise UserError(f"--output is '{self.output}'; allowed are names that end in {', '.join(FORMATS)}")
            if require_folder("--output", self.output).is_dir():
                raise UserError(f"--output is '{self.output}', which is a folder; name a file")
        elif self.resume:
            raise UserError("--resume goes on with a file; name it with --output")
        if self.plot is not None:
            from zoo.reports.plots import require_plot

            require_plot("--plot", self.plot)
        if self.quiet and self.output is None and self.plot is None:
            raise UserError("--quiet without --output and --plot shows nothing; add one of them")


def predict(model: str | ConfigSources, arguments: Sequence[str], wanted: Wanted) -> None:
    """Classify images; print a table of few, write rows as they come, draw the first.

    Args:
        model: a run folder, a checkpoint file or an exported ``.onnx`` file, or the configuration of a network with
            pretrained weights.
        arguments: what names the images, as ``zoo.images.inputs`` takes it.
        wanted: what to show and to write.

    Raises:
        UserError: the model, an option or an argument is wrong.
        ImageError: with ``strict``, an image cannot be read.
        RunError: some images could not be read, everything else is done; or a file cannot be written.
    """
    from zoo.cli.classify import opened_network
    from zoo.cli.prediction_job import PredictionJob
    from zoo.images.inputs import named_inputs
    from zoo.images.left_out import count_left_out, in_one_line
    from zoo.models.many import cores, plan

    names = named_inputs(arguments)
    for folder in [] if wanted.quiet else filter(os.path.isdir, arguments):
        place = Path(folder).absolute()
        if counts := count_left_out(place, [place.parent], [place.name], channels=3):
            print_stderr(f"{folder}: left out: {in_one_line(counts)}")
    threads, chunk = plan(len(names), cores())
    with opened_network(model, max(1, cores() // threads), wanted.invert, wanted.tta, wanted.device) as network:
        PredictionJob(network, names, wanted).run(threads, chunk)
