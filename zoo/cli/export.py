"""zoo export: write a run's best checkpoint as one ONNX file, and as a web page if asked for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.parser import Parser, add_tta, run_parser
from zoo.cli.quiet import silence_libraries
from zoo.core.errors import UserError

if TYPE_CHECKING:
    from zoo.export.model_file import Precision
    from zoo.models.tta import TestTimeAugmentation
    from zoo.runtime import Form


def parser() -> Parser:
    """Return the command's parser."""
    parser = run_parser("export", epilog="Options of fit override what the run was trained with: --data.root")
    parser.add_argument(
        "--quantize",
        choices=("int8", "fp16"),
        help="write model.int8.onnx or model.fp16.onnx, measured against float32 on the test split, else on val",
    )
    parser.add_argument(
        "--input",
        choices=("any", "fixed", "float"),
        default="any",
        help="how the graph takes images: any size and number, the default; fixed: uint8 of the network's size, for "
        "engines without dynamic shapes; float: normalised float32, channels first",
    )
    parser.add_argument(
        "--batch", type=int, default=1, metavar="N", help="images in a batch of --input fixed and float (default: 1)"
    )
    parser.add_argument(
        "--format",
        choices=("onnx", "safetensors"),
        default="onnx",
        help="safetensors writes the weights alone, RUN/model.safetensors",
    )
    add_tta(parser)
    parser.add_argument("--web", metavar="FOLDER", help="also write a web page that runs the file in the browser")
    return parser


def main(argv: Sequence[str]) -> None:
    """Write a run as one ONNX file with preprocessing and class names inside."""
    options, rest = parser().parse_known_args(argv)
    args = [options.run, *rest]
    if options.format == "safetensors":
        _refuse_options_of_graphs(options)
        from zoo.config.export import export_weights

        print(export_weights(args))
        return
    export(args, options.quantize, options.web, options.tta, options.input, options.batch)


def export(
    args: Sequence[str],
    precision: Precision | None = None,
    page: str | None = None,
    tta: TestTimeAugmentation | None = None,
    form: Form = "any",
    batch: int = 1,
) -> Path:
    """Export a run and print what was compared; the path of the file is the last line.

    Args:
        args: the run folder, then options that override its configuration, such as ``--data.root``.
        precision: int8 or fp16; None is float32.
        page: a folder for a web page that runs the file in the browser.
        tta: flip writes a network that averages each image and its mirror image.
        form: how the graph takes images: of any size, fixed or float.
        batch: images in a batch of the forms fixed and float.

    Returns:
        ``RUN/model.onnx``; ``RUN/model.int8.onnx``, ``RUN/model.fixed.onnx`` and so on where precision or form differ.

    Raises:
        UserError: the run, an option or the data is wrong.
        RunError: the file would differ from the checkpoint or cannot be written.
    """
    from zoo.config import export as exporting

    silence_libraries()
    if page is not None:
        from zoo.export.web import check_folder, write_page

        check_folder(Path(page))
    path, metadata = exporting.export(args, precision, tta, form, batch)
    _show(path, metadata)
    if page is not None:
        write_page(path, Path(page))
        print(f"{page}: a page that classifies in the browser; to look at it: python -m http.server -d {page}")
    print(path)
    return path


def _refuse_options_of_graphs(options: argparse.Namespace) -> None:
    """Refuse, by a UserError, options that a file of weights does not follow."""
    chosen = {
        "--quantize": options.quantize,
        "--tta": options.tta,
        "--web": options.web,
        "--input": None if options.input == "any" else options.input,
        "--batch": None if options.batch == 1 else options.batch,
    }
    for option, value in chosen.items():
        if value is not None:
            raise UserError(
                f"{option} {value} is for ONNX files; --format safetensors holds weights alone; leave it out"
            )


def _show(path: Path, metadata: dict[str, Any]) -> None:
    difference = metadata["difference"]
    print(
        f"the graph agrees with the checkpoint on real images: probabilities within {difference['probabilities']:.1g}, "
        f"logits within {difference['logits']:.1g}"
    )
    if quantized := metadata.get("quantization"):
        print(
            f"{quantized['precision']} on {quantized['images']:,} {quantized['split']} images: accuracy "
            f"{quantized['accuracy']:.2%} (float32 {quantized['accuracy_float32']:.2%}), another class for "
            f"{quantized['changed']:,} images, {quantized['speed_ratio']:.2f} times as fast, "
            f"{quantized['size_ratio']:.2f} times smaller"
        )
    print(f"{path.stat().st_size / 1e6:,.1f} MB, verified; 'zoo verify {path}' repeats it on any machine")
