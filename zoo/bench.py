"""zoo bench: how fast a training runs, which part of it takes the time, and what would help.

data path alone ───┐
network step alone ├─► images per second, alternating, n rounds ─► shares, advice, table, JSON
whole zoo fit ─────┤
peers (--against) ─┘
"""

from __future__ import annotations

import csv
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from zoo import registry
from zoo.config import resolve_new
from zoo.device import fast_bfloat16
from zoo.environment import most_memory
from zoo.errors import RunError, UserError
from zoo.freeze import layers
from zoo.run import require_json, write_json
from zoo.sources import MemorySource
from zoo.train import FitCLI
from zoo.weights import offered_weights

#: What whole trainings are compared with (zoo.peers).
PEERS = ("loop", "lightning")

#: Side of the square float32 matrices whose product gives the machine's rate.
MATRIX = 1024


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


class BenchCLI(FitCLI):
    """Builds what a fit would train, and no run folder."""

    usage = "[--model NAME] [--data NAME] [--config FILE]"
    description = "Measure how fast a training runs; options as of 'zoo fit'."

    def build(self, config: dict[str, Any]) -> None:
        """Build the model, on the device and in the precision of the trainer."""
        self.build_model(config)
        self.trainer = self.make_trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False)
        self.device = self.trainer.strategy.root_device
        self.model = self.trainer.precision_plugin.convert_module(self.model.to(self.device))  # type: ignore[assignment]


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
    found.gflops = _matrix_rate(cli.device) / 1e9
    flops = 3 * sum(layer.flops for layer in layers(cli.model.network, cli.model.spec))  # backward is two forwards
    found.floor = 1e9 * found.gflops / max(flops, 1)
    for _ in range(rounds):
        found.data.append(data_speed(cli, seconds))
        found.step.append(step_speed(cli, seconds))
        batches = max(2, round(seconds * min(found.data[-1], found.step[-1]) / cli.datamodule.batch_size))
        speed, memory = _fit_speed(args, batches)
        found.fit.append(speed)
        found.memory_mib = max(found.memory_mib, memory)
        for name in against:
            found.peers[name].append(_peer_speed(name, args, batches))
    _show(cli, found)
    if target is not None:
        write_json(target, _described(cli, found, rounds, seconds))
    return found


def data_speed(cli: BenchCLI, seconds: float) -> float:
    """Return images per second of the training batches alone, epoch after epoch."""
    loader = cli.datamodule.train_dataloader()
    count, begin, epoch = 0, time.perf_counter(), 0
    while True:
        loader.sampler.set_epoch(epoch)
        epoch += 1
        for images, _ in loader:
            count += len(images)
            if (spent := time.perf_counter() - begin) >= seconds:
                return count / spent


def step_speed(cli: BenchCLI, seconds: float) -> float:
    """Return images per second of optimizer steps on one batch, on the device and in the precision of the trainer."""
    model, precision = cli.model.train(), cli.trainer.precision_plugin
    images, labels = (part.to(cli.device) for part in next(iter(cli.datamodule.train_dataloader())))
    optimizer = cli.model.build_optimizer()

    def step() -> None:
        optimizer.zero_grad()
        with precision.train_step_context():
            loss: Tensor = model.training_step((images, labels), 0)["loss"]
        torch.autograd.backward(loss)
        optimizer.step()

    return len(labels) * _rate(step, seconds, cli.device)


def _rate(call: Callable[[], object], seconds: float, device: torch.device) -> float:
    """Return calls per second, after three that do not count; what a GPU still has to do is waited for."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for _ in range(3):
        call()
    wait()
    count, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        call()
        wait()
        count += 1
    return count / (time.perf_counter() - begin)


def _matrix_rate(device: torch.device) -> float:
    """Return floating-point operations per second of a product of two square float32 matrices."""
    one = torch.rand(MATRIX, MATRIX, device=device)
    return 2 * MATRIX**3 * _rate(lambda: one @ one, 1.0, device)


def _fit_speed(args: Sequence[str], batches: int) -> tuple[float, float]:
    """Run ``zoo fit`` for two short epochs; return images per second in the second, and its peak memory in MiB."""
    with tempfile.TemporaryDirectory(prefix="zoo-bench-") as folder:
        limits = {"max_epochs": 2, "limit_train_batches": batches, "limit_val_batches": 2, "default_root_dir": folder}
        words = [*args, *(f"--trainer.{key}={value}" for key, value in limits.items())]
        memory = _run([sys.executable, "-m", "zoo", "fit", *words])[1]
        [metrics] = Path(folder).glob("*/*/metrics.csv")
        with metrics.open(newline="", encoding="utf-8") as file:
            speeds = [float(row["images_per_second"]) for row in csv.DictReader(file) if row["images_per_second"]]
    return speeds[-1], memory


def _peer_speed(name: str, args: Sequence[str], batches: int) -> float:
    return float(_run([sys.executable, "-m", "zoo.peers", name, str(batches), *args])[0].splitlines()[-1])


def _run(command: Sequence[str]) -> tuple[str, float]:
    """Run a process; return what it printed, and the most memory it held at once, in MiB."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            lines = err.read().strip().splitlines() or [f"exit status {process.returncode}"]
            raise RunError(f"'{' '.join(command[1:5])} ...' failed: {lines[-1]}")
        return out.read(), most_memory(usage)


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
    if not cli.model.frozen and offered_weights(registry.load("architecture", cli.arguments.names["model"])):
        lines.append("of pretrained weights the first layers may be frozen: --model.freeze N")
    return lines


def _described(cli: BenchCLI, found: Bench, rounds: int, seconds: float) -> dict[str, Any]:
    """Return everything as JSON holds it."""
    return {
        "model": cli.arguments.names["model"],
        "data": cli.arguments.names["data"],
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
