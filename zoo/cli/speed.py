"""What ``zoo bench`` measures: images per second of a training, of its parts alone and of its peers."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch

from zoo.config.fit_cli import FitCLI
from zoo.core.errors import RunError, UserError
from zoo.data.sources import MemorySource
from zoo.models.layers import layers
from zoo.reports.environment import most_memory
from zoo.training.task import loss_of

#: Side of the square float32 matrices whose product gives the machine's rate.
MATRIX = 1024


class BenchCLI(FitCLI):
    """Builds what a fit would train, and no run folder."""

    def build(self, config: dict[str, Any]) -> None:
        """Build the model, on the device and in the precision of the trainer."""
        self.build_model(config)
        self.trainer = self.make_trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False)
        self.device = self.trainer.strategy.root_device
        self.model = self.trainer.precision_plugin.convert_module(self.model.to(self.device))  # type: ignore[assignment]


@dataclass
class Speeds:
    """What was measured: images per second, one value a round, where nothing else is said.

    Args:
        data: the data path alone: order, reading, augmentation, batches.
        step: forward, backward and the optimizer's step on one batch that is always the same.
        fit: ``zoo fit`` with everything that is switched on, while it trains.
        peers: other ways to train the same, by name.
        floor: what the arithmetic alone allows: the measured rate of a matrix product over the network's FLOPs.
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
        """Return the share of a fit's time that each part takes alone; parts that overlap sum to more than 1."""
        whole = median(self.fit)
        return {"data": whole / median(self.data), "step": whole / median(self.step)}


def measure(cli: BenchCLI, args: Sequence[str], rounds: int, seconds: float, against: Sequence[str]) -> Speeds:
    """Measure a training, its parts and its peers in turn.

    Args:
        cli: built from args.
        args: arguments of ``zoo fit``.
        rounds: how often.
        seconds: that each measurement takes.
        against: names of peers.

    Raises:
        UserError: the loop cannot train data that streams.
        RunError: a training failed.
    """
    if "loop" in against and not isinstance(cli.datamodule.source("train"), MemorySource):
        raise UserError("the loop trains on data in memory, and this streams; leave loop out, or raise data.memory_gib")
    speeds = Speeds(peers={name: [] for name in against}, gflops=matrix_rate(cli.device) / 1e9)
    flops = 3 * sum(layer.flops for layer in layers(cli.model.network, cli.model.spec))  # backward is two forwards
    speeds.floor = 1e9 * speeds.gflops / max(flops, 1)
    for _ in range(rounds):
        speeds.data.append(data_speed(cli, seconds))
        speeds.step.append(step_speed(cli, seconds))
        batches = max(2, round(seconds * min(speeds.data[-1], speeds.step[-1]) / cli.datamodule.batch_size))
        speed, memory = fit_speed(args, batches)
        speeds.fit.append(speed)
        speeds.memory_mib = max(speeds.memory_mib, memory)
        for name in against:
            speeds.peers[name].append(peer_speed(name, args, batches))
    return speeds


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
                cli.datamodule.teardown("fit")  # what reads must not run beside what is measured next
                return count / spent


def step_speed(cli: BenchCLI, seconds: float) -> float:
    """Return images per second of optimizer steps on one batch, on the device and in the precision of the trainer."""
    model, precision = cli.model.train(), cli.trainer.precision_plugin
    images, labels = (part.to(cli.device) for part in next(iter(cli.datamodule.train_dataloader())))
    cli.datamodule.teardown("fit")
    optimizer = cli.model.build_optimizer()

    def step() -> None:
        optimizer.zero_grad()
        with precision.train_step_context():
            loss = loss_of(model.training_step((images, labels), 0))
        torch.autograd.backward(loss)
        optimizer.step()

    return len(labels) * _rate(step, seconds, cli.device)


def _rate(call: Callable[[], object], seconds: float, device: torch.device) -> float:
    """Return calls per second, after three that do not count.

    A GPU is waited for at the end alone: its calls run one after the other while the next ones are prepared. So many
    calls are made as the time is expected to hold; those of a first tenth of it tell.
    """

    def timed(count: int) -> float:
        begin = time.perf_counter()
        for _ in range(count):
            call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - begin

    timed(3)
    count, spent = 1, timed(1)
    while spent < seconds / 10:
        count *= 2
        spent = timed(count)
    count = max(1, round(count * seconds / spent))
    return count / timed(count)


def matrix_rate(device: torch.device) -> float:
    """Return floating-point operations per second of a product of two square float32 matrices."""
    one = torch.rand(MATRIX, MATRIX, device=device)
    return 2 * MATRIX**3 * _rate(lambda: one @ one, 1.0, device)


def fit_speed(args: Sequence[str], batches: int) -> tuple[float, float]:
    """Run ``zoo fit`` for two short epochs; return images per second in the second, and its peak memory in MiB."""
    with tempfile.TemporaryDirectory(prefix="zoo-bench-") as folder:
        limits = {"max_epochs": 2, "limit_train_batches": batches, "limit_val_batches": 2, "default_root_dir": folder}
        options = [f"--trainer.{key}={value}" for key, value in limits.items()]
        memory = _run([sys.executable, "-m", "zoo", "fit", *args, *options])[1]
        [metrics] = Path(folder).glob("*/*/metrics.csv")
        with metrics.open(newline="", encoding="utf-8") as file:
            speeds = [float(row["images_per_second"]) for row in csv.DictReader(file) if row["images_per_second"]]
    return speeds[-1], memory


def peer_speed(name: str, args: Sequence[str], batches: int) -> float:
    """Run one of the peers of ``zoo.cli.peers`` likewise; return its images per second."""
    return float(_run([sys.executable, "-m", "zoo.cli.peers", name, str(batches), *args])[0].splitlines()[-1])


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
