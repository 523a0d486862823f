"""The processes that train or evaluate together: what a launcher started, or what --trainer.devices asks for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Trainer
from torch.distributed import Backend

from zoo.config.resolve import ConfigSources
from zoo.config.resume import find_run
from zoo.core.console import print_stderr
from zoo.core.errors import OtherProcessError, UserError, ZooError
from zoo.core.launcher import Launch, detect, require_match
from zoo.runs.folder import Run
from zoo.runs.status import require_free
from zoo.training.launched_environment import LaunchedEnvironment
from zoo.training.lightning_internals import MultiProcessingLauncher
from zoo.training.ranks import Ranks, require_nodes

#: Numbers of devices in config.yaml that the user did not choose.
OPEN = (None, 1, "1", "auto")


@dataclass(frozen=True)
class Processes:
    """What started this process, and those that it works with.

    Args:
        launch: what a launcher started; None without one.
        ranks: the processes of this training.
    """

    launch: Launch | None = None
    ranks: Ranks = field(default_factory=Ranks)

    def trainer_options(self, plugins: list[Any]) -> dict[str, Any]:
        """Return the arguments of Trainer that follow the launcher.

        Args:
            plugins: of the configuration; an environment among them says itself which processes there are.
        """
        if any(isinstance(plugin, ClusterEnvironment) for plugin in plugins):
            return {"plugins": plugins}
        if self.launch is None:
            return {"plugins": [*plugins, LightningEnvironment()]}
        environment = LaunchedEnvironment(self.launch)
        return {"plugins": [*plugins, environment], "devices": self.launch.local_size, "num_nodes": self.launch.nodes}

    def check(self, trainer: Trainer, devices: Any) -> None:
        """Refuse, by a UserError, a trainer whose processes cannot start as zoo needs them; say how many auto means.

        The processes of a launcher are connected here.

        Args:
            trainer: built, but not running.
            devices: as the configuration has them.
        """
        count = trainer.world_size
        if isinstance(trainer.strategy.launcher, MultiProcessingLauncher):
            raise UserError(
                "trainer.strategy copies this process, with its open files and locks; allowed is --trainer.strategy "
                f"ddp, which starts zoo again for each of {count} devices, or torchrun --nproc-per-node {count} -m -- "
                "zoo fit; where a notebook cannot do that, a program can"
            )
        local_rank = os.environ.get("LOCAL_RANK", "0")
        if self.launch is None and count == 1 and local_rank != "0":
            raise UserError(
                f"LOCAL_RANK is {local_rank}, but --trainer.devices is 1; start several processes with torchrun, or "
                "unset LOCAL_RANK"
            )
        if isinstance(getattr(trainer.strategy, "cluster_environment", None), LaunchedEnvironment) and count > 1:
            own = getattr(trainer.strategy, "process_group_backend", None)
            usual = Backend.default_device_backend_map.get(trainer.strategy.root_device.type, "gloo")
            self.ranks.connect(own or usual, count)
        if str(devices) in ("auto", "-1"):
            kind = trainer.strategy.root_device.type
            print_stderr(f"--trainer.devices auto: {count} {kind} device{'s'[: count > 1]}")


@contextmanager
def joined(sources: ConfigSources) -> Iterator[Processes]:
    """Join the processes of this training; of those that fail together, one alone keeps its error.

    Args:
        sources: what the user asks for.

    Raises:
        UserError: what the launcher started differs from what is asked for, or its variables are incomplete.
        OtherProcessError: another process failed before this one.
    """
    launch = detect(os.environ)
    try:
        asked = {key: _asked(sources, key) for key in ("devices", "num_nodes")}
        if launch is not None:
            require_match(launch, asked["devices"], asked["num_nodes"])
        else:
            require_nodes(os.environ, asked["num_nodes"])
    except UserError as error:
        if launch is not None and launch.local_rank > 0:  # all processes of this machine fail of the same
            raise OtherProcessError(error.exit_status) from error
        raise
    processes = Processes(launch, Ranks.join(launch, os.environ))
    try:
        yield processes
    except OtherProcessError:
        raise
    except Exception as error:
        if not processes.ranks.is_first_to_fail(str(error)):
            status = error.exit_status if isinstance(error, ZooError) else 1
            raise OtherProcessError(status) from error
        raise


def choose_run(
    ranks: Ranks,
    args: Sequence[str],
    configs: Sequence[tuple[str, Mapping[str, Any]]],
    resume: str | PathLike[str] | None,
    name: str | None,
    group: Path | None = None,
) -> tuple[Run | None, bool]:
    """Return the run to resume, None for a new one, as the first of several processes finds it.

    Where torchrun starts processes again, it is the run of those before.

    Args:
        ranks: the processes.
        args: options as on the command line.
        configs: name and content of configurations.
        resume: the run's folder.
        name: of its folder inside trainer.default_root_dir.
        group: the folder that it is in where that is another one.

    Returns:
        The run, and whether a launcher has started the command again.

    Raises:
        UserError: as ``find_run``; or another training holds the run.
    """

    def decide() -> tuple[str | None, bool]:
        before = ranks.recall("run")
        if before is not None and Run(Path(before)).config.is_file():
            run: Run | None = Run(Path(before))
        else:
            run, before = find_run(args, configs, resume, name, group), None
        if run is None:
            return None, False
        require_free(run)
        run.require_writable()
        return str(run.path), before is not None

    path, restarted = ranks.agree("run", decide)
    return None if path is None else Run(Path(path)), restarted


def require_one_device(trainer: Trainer) -> None:
    """Refuse, by a UserError, several devices for folds or seeds."""
    if trainer.world_size > 1:
        raise UserError(
            f"folds and seeds are trained one after another by one process, received {trainer.world_size} devices; add "
            "--trainer.devices 1, or train each fold by --data.folds N --data.fold K, each seed by --seed_everything K"
        )


def _asked(sources: ConfigSources, key: str) -> Any:
    """Return what an option asks for; defaults that config files of runs record ask for nothing."""
    option = f"--trainer.{key}="
    typed = [text.removeprefix(option) for text in sources.options if text.startswith(option)]
    value = sources.value("trainer", key)
    return value if typed or value not in OPEN else None
