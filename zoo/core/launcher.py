"""The processes that a launcher started for one training: torchrun, SLURM's srun, MPI; by their variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from zoo.core.errors import OtherProcessError, UserError

#: SLURM's names of jobs in which a person types: there zoo is not one of its tasks.
INTERACTIVE = ("bash", "interactive")

#: Where the first process listens if MASTER_PORT does not say so: torch's own choice.
DEFAULT_PORT = 29500


@dataclass(frozen=True)
class Launch:
    """This process among those that a launcher started.

    Args:
        launcher: its name, for messages.
        size: processes on all machines.
        rank: number of this one, from 0.
        local_size: processes on each machine.
        local_rank: number of this one on its machine.
        address: where process 0 listens.
        port: its port there.
    """

    launcher: str
    size: int
    rank: int
    local_size: int
    local_rank: int
    address: str
    port: int

    @property
    def nodes(self) -> int:
        """Number of machines."""
        return self.size // self.local_size

    @property
    def node(self) -> int:
        """Number of this machine, from 0."""
        return self.rank // self.local_size


@dataclass(frozen=True)
class Variables:
    """Names of the variables in which a launcher says what it started.

    Args:
        launcher: its name.
        mark: a variable that only it sets.
        size: of the number of all processes; rank, local_size and local_rank likewise.
    """

    launcher: str
    mark: str
    size: str
    rank: str
    local_size: str
    local_rank: str


#: In the order in which they are looked for: torchrun may run inside SLURM's tasks.
LAUNCHERS = (
    Variables("torchrun", "TORCHELASTIC_RUN_ID", "WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", "LOCAL_RANK"),
    Variables("a launcher", "RANK", "WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", "LOCAL_RANK"),
    Variables(
        "mpirun",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_LOCAL_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK",
    ),
    Variables(
        "jsrun",
        "JSM_NAMESPACE_SIZE",
        "JSM_NAMESPACE_SIZE",
        "JSM_NAMESPACE_RANK",
        "JSM_NAMESPACE_LOCAL_SIZE",
        "JSM_NAMESPACE_LOCAL_RANK",
    ),
    Variables("srun", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "", "SLURM_LOCALID"),
    Variables("mpiexec", "PMI_SIZE", "PMI_SIZE", "PMI_RANK", "MPI_LOCALNRANKS", "MPI_LOCALRANKID"),
)

#: Variables that hold the number of a process, in the order in which they are looked for.
RANK_VARIABLES = (*dict.fromkeys(launcher.rank for launcher in LAUNCHERS), "LOCAL_RANK")


def detect(environ: Mapping[str, str]) -> Launch | None:
    """Return this process's place among those of a launcher; None where none started it.

    Processes that Lightning starts for ``--trainer.devices N`` have LOCAL_RANK alone, and count as started by none.

    Raises:
        UserError: variables of a launcher are incomplete or contradict each other.
    """
    for variables in LAUNCHERS:
        if variables.mark in environ:
            if variables.launcher == "srun" and environ.get("SLURM_JOB_NAME") in INTERACTIVE:
                continue
            return _launch(variables, environ)
    tasks = _number("SLURM_NTASKS", environ, 1)
    if tasks > 1 and environ.get("SLURM_JOB_NAME") not in INTERACTIVE and "LOCAL_RANK" not in environ:
        raise UserError(
            f"SLURM gives this job {tasks} tasks (SLURM_NTASKS), received 1 process; start one in each task: srun zoo "
            "fit ..., or ask SLURM for one task"
        )
    size = _number("WORLD_SIZE", environ, 1)
    if size > 1 and "LOCAL_RANK" not in environ:
        raise UserError(
            f"WORLD_SIZE is {size}, but RANK, which numbers the processes, is not set; start them with torchrun, or "
            "unset WORLD_SIZE"
        )
    return None


def require_match(launch: Launch, devices: object, nodes: object) -> None:
    """Refuse, by a UserError that names both numbers, options that contradict what the launcher started.

    Args:
        launch: what it started.
        devices: as the user asks for them: a number, a list of GPUs, or auto; None where nothing is asked for.
        nodes: number of machines likewise.
    """
    asked, text = _device_count(devices), " ".join(str(devices).split())
    on_each = "" if launch.nodes == 1 else " on each machine"
    if asked is not None and asked != launch.local_size:
        raise UserError(
            f"--trainer.devices is {text}, but {launch.launcher} started {launch.local_size} processes{on_each}; leave "
            "--trainer.devices out, or start as many processes"
        )
    if nodes is not None and str(nodes) != str(launch.nodes):
        raise UserError(
            f"--trainer.num_nodes is {nodes}, but {launch.launcher} started processes on {launch.nodes}; leave "
            "--trainer.num_nodes out, or start processes on as many machines"
        )


def require_one_process(command: str, environ: Mapping[str, str]) -> None:
    """Refuse, by a UserError, a command that every process of a launcher would do, where it started several.

    Args:
        command: the word after ``zoo``.
        environ: variables of this process.

    Raises:
        OtherProcessError: in place of the UserError, in all processes but the first.
    """
    launch = detect(environ)
    if launch is None or launch.size == 1:
        return
    if launch.rank > 0:
        raise OtherProcessError(UserError.exit_status)
    raise UserError(
        f"zoo {command} works in one process, on all cores, and {launch.launcher} started {launch.size}; start it "
        f"without {launch.launcher}"
    )


def _launch(variables: Variables, environ: Mapping[str, str]) -> Launch:
    name = variables.launcher
    for variable in (variables.size, variables.rank):
        if variable not in environ:
            other = variables.rank if variable == variables.size else variables.size
            raise UserError(
                f"{other} is {environ.get(other)}, but {variable} is not set: variables of {name} are incomplete; "
                f"start with torchrun, or unset {other}"
            )
    size, rank = _number(variables.size, environ, 1), _number(variables.rank, environ, 0)
    if name == "srun":
        nodes = _number("SLURM_STEP_NUM_NODES", environ, _number("SLURM_NNODES", environ, 1))
        local_size = size // max(nodes, 1) if size % max(nodes, 1) == 0 else 0
    else:
        alone = variables.local_rank not in environ  # one process in each container, as Kubernetes starts them
        local_size = _number(variables.local_size, environ, 1 if alone else size)
    local_rank = _number(variables.local_rank, environ, 0)
    if rank >= size or local_size < 1 or size % local_size or local_rank != rank % local_size:
        raise UserError(
            f"{name} started process {rank} of {size} as number {local_rank} of {local_size or 'several'} on its "
            "machine; zoo needs as many processes on each machine, numbered machine by machine"
        )
    address, port = environ.get("MASTER_ADDR", ""), _number("MASTER_PORT", environ, DEFAULT_PORT)
    if not address and name == "srun":
        address = _first_host(environ.get("SLURM_STEP_NODELIST", environ.get("SLURM_NODELIST", "")))
        job = re.sub(r"\D", "", environ.get("SLURM_JOB_ID", ""))
        port = port if "MASTER_PORT" in environ else 15000 + int(job[-4:] or 0)
    if not address and size > local_size:
        raise UserError(f"{name} started processes on several machines; set MASTER_ADDR to the address of the first")
    return Launch(name, size, rank, local_size, local_rank, address or "127.0.0.1", port)


def _number(variable: str, environ: Mapping[str, str], default: int) -> int:
    text = environ.get(variable, "")
    if text and not text.isdecimal():
        raise UserError(f"{variable} is '{text}'; allowed is a whole number; start with a launcher, or unset it")
    return int(text) if text else default


def _device_count(devices: object) -> int | None:
    """Return how many devices an option of Trainer asks for on each machine; None where it leaves that open."""
    if devices is None or str(devices) in ("auto", "-1"):
        return None
    if isinstance(devices, str) and devices.isdecimal():
        return int(devices)
    return devices if isinstance(devices, int) else len(re.findall(r"[^\s,\[\]]+", str(devices)))


def _first_host(nodes: str) -> str:
    """Return the first of SLURM's list of machines: ``gpu03`` of ``gpu[03-05,9],cpu1``."""
    return re.sub(r"\[([^],-]*)[^]]*\].*", r"\1", nodes.strip()).split(",")[0]
