"""zoo bench: measure how fast a training runs, which part takes the time, and what would make it faster.

data path alone ───┐
network step alone ├─► images per second, in turn, n rounds ─► shares, advice, table, JSON
whole zoo fit ─────┤
peers (--against) ─┘
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from zoo.cli.parser import COMMANDS, Parser
from zoo.cli.quiet import silence_libraries
from zoo.core import registry
from zoo.core.errors import UserError
from zoo.runs.files import require_json, write_json

if TYPE_CHECKING:
    from zoo.cli.speed import BenchCLI, Speeds

#: Other ways to train the same, which whole trainings are compared with (zoo.cli.peers).
PEERS = ("loop", "lightning")

#: Lightning's name of a device.
DEVICES = {"cpu": "cpu", "cuda": "cuda"}


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser("bench", f"{COMMANDS['bench']}. Other options are those of 'zoo fit'.", fit_options="new")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (default: 3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="that each measurement takes (default: 5)")
    peers = "compare with: loop, lightning or loop,lightning"
    parser.add_argument("--against", metavar="PEERS", default="", help=peers)
    parser.add_argument("--device", choices=DEVICES, help="what trains: cpu or cuda; short for --trainer.accelerator")
    parser.add_argument("--output", metavar="FILE", help="also write a .json file")
    return parser


def main(argv: Sequence[str]) -> None:
    """Measure how fast a training runs and what would make it faster."""
    options, rest = parser().parse_known_args(argv)
    peers = [name for name in options.against.split(",") if name]
    if options.device is not None:
        rest += [f"--trainer.accelerator={DEVICES[options.device]}", "--trainer.devices=1"]
    bench(rest, rounds=options.rounds, seconds=options.seconds, against=peers, output=options.output)


def bench(
    args: Sequence[str],
    *,
    rounds: int = 3,
    seconds: float = 5.0,
    against: Sequence[str] = (),
    output: str | None = None,
) -> Speeds:
    """Measure a training, and print where its time goes.

    Args:
        args: arguments of ``zoo fit``.
        rounds: how often everything is measured, one after the other.
        seconds: that each measurement takes.
        against: names of PEERS.
        output: a ``.json`` file to write.

    Raises:
        UserError: an option is wrong, or a peer cannot train this.
        RunError: a training failed.
    """
    if rounds < 1 or seconds <= 0:
        raise UserError(f"--rounds is {rounds} and --seconds {seconds}; allowed are 1 or more and more than 0")
    if wrong := [name for name in against if name not in PEERS]:
        raise UserError(f"--against is '{wrong[0]}'; allowed are {' and '.join(PEERS)}")
    path = None if output is None else require_json(output)

    from zoo.cli.speed import BenchCLI, measure
    from zoo.config.resolve import resolve_new

    silence_libraries()
    cli = BenchCLI("bench", resolve_new("bench", args), None)
    speeds = measure(cli, args, rounds, seconds, against)
    _show(cli, speeds)
    if path is not None:
        write_json(path, _described(cli, speeds) | {"rounds": rounds, "seconds": seconds})
    return speeds


def _show(cli: BenchCLI, speeds: Speeds) -> None:
    """Print a table, shares and advice."""
    from rich.console import Console
    from rich.table import Table

    whole, shares = median(speeds.fit), speeds.shares()
    table = Table()
    for column in ("images per second", "median", "range", "times the fit"):
        table.add_column(column, justify="left" if column == "images per second" else "right")
    rows = {"data path alone": speeds.data, "network step alone": speeds.step, "zoo fit": speeds.fit}
    for name, values in (rows | speeds.peers).items():
        spread = f"{min(values):,.0f} to {max(values):,.0f}"
        table.add_row(name, f"{median(values):,.0f}", spread, f"{median(values) / whole:.2f}")
    table.add_row("arithmetic alone", f"{speeds.floor:,.0f}", "", f"{speeds.floor / whole:.2f}")
    console = Console(highlight=False, emoji=False, markup=False)
    console.print(table)
    lines = [
        f"of the fit's time the data path alone would take {shares['data']:.0%}, the network step {shares['step']:.0%}",
        f"most memory held: {speeds.memory_mib:,.0f} MiB; matrix product: {speeds.gflops:,.0f} GFLOP/s on {cli.device}",
        *advice(cli, speeds),
    ]
    for line in lines:
        console.print(line, soft_wrap=True)


def advice(cli: BenchCLI, speeds: Speeds) -> list[str]:
    """Return what would make the training faster, a line each, the most effective first."""
    from zoo.models.weights import offered_weights
    from zoo.training.fast_settings import fast_bfloat16

    shares, data = speeds.shares(), cli.datamodule
    larger_batch = f"--data.batch_size above {data.batch_size}"
    if shares["data"] >= shares["step"]:
        workers = f"--data.num_workers above {data.num_workers}, where there are more cores"
        return [f"reading images takes the most: {workers}; --data.memory_gib above the data's size holds it in memory"]
    if shares["step"] < 0.7:
        return [f"neither part takes the most, what is around each batch does: {larger_batch}"]
    lines = []
    if median(speeds.step) < 0.3 * speeds.floor:
        lines.append(f"the network's step is far from the arithmetic: {larger_batch}")
    if fast_bfloat16(cli.device.type) and cli.trainer.precision == "32-true":
        lines.append("the network's step takes the most: --trainer.precision bf16-mixed")
    if not cli.compile and shutil.which("c++"):
        lines.append("a training of hours may be worth half a minute of compiling: --model.compile true")
    if not cli.model.frozen and offered_weights(registry.load("architecture", cli.sources.names["architecture"])):
        lines.append("of pretrained weights the first layers may be frozen: --model.freeze N")
    return lines


def _described(cli: BenchCLI, speeds: Speeds) -> dict[str, Any]:
    """Return everything as JSON holds it."""
    import torch

    return {
        "model": cli.sources.names["architecture"],
        "data": cli.sources.names["dataset"],
        "batch_size": cli.datamodule.batch_size,
        "device": str(cli.device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "images_per_second": {"data": speeds.data, "step": speeds.step, "fit": speeds.fit, **speeds.peers},
        "floor_images_per_second": speeds.floor,
        "matrix_gflops": speeds.gflops,
        "memory_mib": speeds.memory_mib,
        "shares": speeds.shares(),
        "advice": advice(cli, speeds),
    }
