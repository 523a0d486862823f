"""zoo bench: how fast a training runs, which part of it takes the time, and what would help.

data path alone ───┐
network step alone ├─► images per second, alternating, n rounds ─► shares, advice, table, JSON
whole zoo fit ─────┤
peers (--against) ─┘
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from zoo.cli.speed import BenchCLI, data_speed, fit_speed, matrix_rate, peer_speed, step_speed
from zoo.config.resolve import resolve_new
from zoo.core import registry
from zoo.core.errors import UserError
from zoo.data.sources import MemorySource
from zoo.models.layers import layers
from zoo.models.weights import offered_weights
from zoo.runs.files import require_json, write_json
from zoo.training.device import fast_bfloat16

#: What whole trainings are compared with (zoo.cli.peers).
PEERS = ("loop", "lightning")


@dataclass
class Bench:
    """What was measured, in images per second where nothing else is said; one value a round.

    Args:
        data: the data path alone: order, reading, augmentation, batches.
        step: forward, backward and the optimizer's step on one batch that is always the same.
        fit: ``zoo fit`` with everything a user has switched on, while it trains.
        peers: the same by other means, by name.
        floor: what the arithmetic alone allows: the network's FLOPs over the measured rate of a matrix product.
        gflops: that rate.
        memory_mib: the most that the process of ``zoo fit`` held at once.
    """

    data: list[float] = field(default_factory=list)
    step: list[float] = field(default_factory=list)
    fit: list[float] = field(default_factory=list)
    peers: dict[str, list[float]] = field(default_factory=dict)
    floor: float = 0.0
    gflops: float = 0.0
    memory_mib: float = 0.0

    def shares(self) -> dict[str, float]:
        """Return which share of a fit's time its parts would take alone; of parts that overlap more than 1 in all."""
        whole = statistics.median(self.fit)
        return {"data": whole / statistics.median(self.data), "step": whole / statistics.median(self.step)}


def bench(
    args: Sequence[str],
    *,
    rounds: int = 3,
    seconds: float = 5.0,
    against: Sequence[str] = (),
    output: str | None = None,
) -> Bench:
    """Measure a training, and print where its time goes.

    Args:
        args: what would follow ``zoo fit``.
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
    target = None if output is None else require_json(output)
    cli = BenchCLI("bench", resolve_new("bench", args), None)
    if "loop" in against and not isinstance(cli.datamodule.source("train"), MemorySource):
        raise UserError("the loop trains on data in memory, and this streams; leave loop out, or raise data.memory_gib")
    found = Bench(peers={name: [] for name in against})
    found.gflops = matrix_rate(cli.device) / 1e9
    flops = 3 * sum(layer.flops for layer in layers(cli.model.network, cli.model.spec))  # backward is two forwards
    found.floor = 1e9 * found.gflops / max(flops, 1)
    for _ in range(rounds):
        found.data.append(data_speed(cli, seconds))
        found.step.append(step_speed(cli, seconds))
        batches = max(2, round(seconds * min(found.data[-1], found.step[-1]) / cli.datamodule.batch_size))
        speed, memory = fit_speed(args, batches)
        found.fit.append(speed)
        found.memory_mib = max(found.memory_mib, memory)
        for name in against:
            found.peers[name].append(peer_speed(name, args, batches))
    _show(cli, found)
    if target is not None:
        write_json(target, _described(cli, found, rounds, seconds))
    return found


def _show(cli: BenchCLI, found: Bench) -> None:
    """Print a table, one line of advice a finding."""
    whole, shares = statistics.median(found.fit), found.shares()
    table = Table()
    for column in ("images per second", "median", "range", "times the fit"):
        table.add_column(column, justify="left" if column == "images per second" else "right")
    rows = {"data path alone": found.data, "network step alone": found.step, "zoo fit": found.fit}
    for name, values in (rows | found.peers).items():
        spread = f"{min(values):,.0f} to {max(values):,.0f}"
        ratio = f"{statistics.median(values) / whole:.2f}"
        table.add_row(name, f"{statistics.median(values):,.0f}", spread, ratio)
    table.add_row("arithmetic alone", f"{found.floor:,.0f}", "", f"{found.floor / whole:.2f}")
    console = Console(highlight=False, emoji=False, markup=False)
    console.print(table)
    lines = [
        f"of the fit's time the data path alone would take {shares['data']:.0%}, the network step {shares['step']:.0%}",
        f"most memory held: {found.memory_mib:,.0f} MiB; matrix product: {found.gflops:,.0f} GFLOP/s on {cli.device}",
        *advice(cli, found),
    ]
    for line in lines:
        console.print(line, soft_wrap=True)


def advice(cli: BenchCLI, found: Bench) -> list[str]:
    """Return what would make the training faster, the most first; a line each."""
    shares, data = found.shares(), cli.datamodule
    if shares["data"] >= shares["step"]:
        workers = f"--data.num_workers above {data.num_workers}, where there are more cores"
        return [f"reading images takes the most: {workers}; --data.memory_gib above the data's size holds it in memory"]
    if shares["step"] < 0.7:
        return [
            f"neither part takes the most, what is around each batch does: --data.batch_size above {data.batch_size}"
        ]
    lines = []
    if statistics.median(found.step) < 0.3 * found.floor:
        lines.append(f"the network's step is far from the arithmetic: --data.batch_size above {data.batch_size}")
    if fast_bfloat16(cli.device.type) and cli.trainer.precision == "32-true":
        lines.append("the network's step takes the most: --trainer.precision bf16-mixed")
    if not cli.compile and shutil.which("c++"):
        lines.append("a training of hours may be worth half a minute of compiling: --model.compile true")
    if not cli.model.frozen and offered_weights(registry.load("architecture", cli.sources.names["model"])):
        lines.append("of pretrained weights the first layers may be frozen: --model.freeze N")
    return lines


def _described(cli: BenchCLI, found: Bench, rounds: int, seconds: float) -> dict[str, Any]:
    """Return everything as JSON holds it."""
    return {
        "model": cli.sources.names["model"],
        "data": cli.sources.names["data"],
        "batch_size": cli.datamodule.batch_size,
        "device": str(cli.device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "rounds": rounds,
        "seconds": seconds,
        "images_per_second": {"data": found.data, "step": found.step, "fit": found.fit, **found.peers},
        "floor_images_per_second": found.floor,
        "matrix_gflops": found.gflops,
        "memory_mib": found.memory_mib,
        "shares": found.shares(),
        "advice": advice(cli, found),
    }
