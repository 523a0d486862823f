"""zoo export: write a run's best checkpoint as one ONNX file, and as a web page if asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.parser import Parser, add_tta, run_parser
from zoo.cli.quiet import silence_libraries

if TYPE_CHECKING:
    from zoo.export.model_file import Precision
    from zoo.models.tta import TestTimeAugmentation


def parser() -> Parser:
    """Return the command's parser."""
    parser = run_parser("export", epilog="Options of fit override what the run was trained with: --data.root")
    parser.add_argument(
        "--quantize",
        choices=("int8", "fp16"),
        help="write model.int8.onnx or model.fp16.onnx, measured against float32 on the test split",
    )
    add_tta(parser)
    parser.add_argument("--web", metavar="FOLDER", help="also write a web page that runs the file in the browser")
    return parser


def main(argv: Sequence[str]) -> None:
    """Write a run as one ONNX file with preprocessing and class names inside."""
    options, rest = parser().parse_known_args(argv)
    export([options.run, *rest], options.quantize, options.web, options.tta)


def export(
    args: Sequence[str],
    precision: Precision | None = None,
    page: str | None = None,
    tta: TestTimeAugmentation | None = None,
) -> Path:
    """Export a run and print what was compared; the path of the file is the last line.

    Args:
        args: the run folder, then options that override its configuration, such as ``--data.root``.
        precision: int8 or fp16; None is float32.
        page: a folder for a web page that runs the file in the browser.
        tta: flip writes a network that averages each image and its mirror image.

    Returns:
        ``RUN/model.onnx``, ``RUN/model.int8.onnx`` or ``RUN/model.fp16.onnx``.

    Raises:
        UserError: the run, an option or the data is wrong.
        RunError: the file would differ from the checkpoint or cannot be written.
    """
    from zoo.config import run
    from zoo.export.web import check_folder, write_page

    silence_libraries()
    if page is not None:
        check_folder(Path(page))
    path, metadata = run.export(args, precision, tta)
    _show(path, metadata)
    if page is not None:
        write_page(path, Path(page))
        print(f"{page}: a page that classifies in the browser; to look at it: python -m http.server -d {page}")
    print(path)
    return path


def _show(path: Path, metadata: dict[str, Any]) -> None:
    difference = metadata["difference"]
    print(
        f"the graph agrees with the checkpoint on real images: probabilities within {difference['probabilities']:.1g}, "
        f"logits within {difference['logits']:.1g}"
    )
    if quantized := metadata.get("quantization"):
        print(
            f"{quantized['precision']} on {quantized['images']:,} test images: accuracy {quantized['accuracy']:.2%} "
            f"(float32 {quantized['accuracy_float32']:.2%}), {quantized['speed_ratio']:.2f} times as fast, "
            f"{quantized['size_ratio']:.2f} times smaller"
        )
    print(f"{path.stat().st_size / 1e6:,.1f} MB, verified; 'zoo verify {path}' repeats it on any machine")
