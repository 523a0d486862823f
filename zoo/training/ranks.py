"""Ranks: the processes of one training follow what the first of them decides, and say once why they stop.

Processes start at different moments: where the second looks for a run, the first may have made it already. So the first
decides, and the others read its decision from a store, which it or torchrun's agent serves.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import timedelta
from typing import Any, TypeVar

from lightning.fabric.utilities.rank_zero import rank_zero_only
from torch import distributed
from torch.distributed import DistError, PrefixStore, Store, TCPStore  # type: ignore[attr-defined]  # public, but C++

from zoo.core.errors import OtherProcessError, RunError, UserError, ZooError
from zoo.core.launcher import Launch

#: How long a process waits for the others, which may be downloading data.
PATIENCE = timedelta(minutes=30)

T = TypeVar("T")


class Ranks:
    """The processes of one training, this one among them.

    Args:
        rank: number of this one, from 0.
        store: what they share; None where it works alone, so far.
        agent: what outlives them, where torchrun starts them again; None without it.
        prefix: of the keys of this training.

    Attributes:
        trainings: how many trainings this process has begun: each has keys of its own.
    """

    trainings = 0
    #: The server of the store lives as long as the process.
    _served: TCPStore | None = None

    def __init__(self, rank: int = 0, store: Store | None = None, agent: Store | None = None, prefix: str = "") -> None:
        self.rank, self._store, self._agent, self._prefix = rank, store, agent, prefix
        self._decided: dict[str, str] = {}

    @classmethod
    def join(cls, launch: Launch | None, environ: Mapping[str, str]) -> Ranks:
        """Return the processes of the training that begins.

        Args:
            launch: what a launcher started; None without one.
            environ: variables of this process; those that Lightning starts have LOCAL_RANK, and no other number.

        Raises:
            RunError: a process of the launcher does not come.
        """
        prefix, cls.trainings = f"zoo/{cls.trainings}", cls.trainings + 1
        if launch is not None:
            rank_zero_only.rank = launch.rank  # type: ignore[attr-defined]  # of some launchers Lightning reads nothing
            return cls._join_launched(launch, environ, prefix) if launch.size > 1 else cls()
        started = [environ.get(name, "0") for name in ("LOCAL_RANK", "NODE_RANK")] != ["0", "0"]
        if started and "MASTER_ADDR" in environ and "MASTER_PORT" in environ:
            rank_zero_only.rank = 1  # type: ignore[attr-defined]
            store = TCPStore(environ["MASTER_ADDR"], int(environ["MASTER_PORT"]), timeout=PATIENCE)
            return cls(1, PrefixStore(prefix, store))
        return cls(prefix=prefix)

    def share(self) -> None:
        """Let processes that Lightning starts from this one read what it has decided."""
        if self._store is not None:
            return
        address, port = os.environ.get("MASTER_ADDR", "127.0.0.1"), int(os.environ.get("MASTER_PORT", 0))
        if Ranks._served is None:
            port = port or _free_port()
            Ranks._served = TCPStore(address, port, is_master=True, wait_for_workers=False, multi_tenant=True)
            os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = address, str(port)  # where Lightning listens too
        self._store = PrefixStore(self._prefix, Ranks._served)
        for key, value in self._decided.items():
            self._store.set(key, value)

    @classmethod
    def _join_launched(cls, launch: Launch, environ: Mapping[str, str], prefix: str) -> Ranks:
        """Meet the others. torchrun's store holds keys of processes that have ended: a fresh word separates them."""
        os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = launch.address, str(launch.port)
        by_agent = environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        try:
            if cls._served is None:
                server = launch.rank == 0 and not by_agent
                options: dict[str, Any] = {"is_master": server, "wait_for_workers": False, "multi_tenant": True}
                cls._served = TCPStore(launch.address, launch.port, timeout=PATIENCE, **options)
            agent = PrefixStore(prefix, cls._served)
            if launch.rank > 0:
                own = uuid.uuid4().hex
                agent.set(f"hello/{launch.rank}", own)
                word = agent.get(own).decode()
            else:
                word = uuid.uuid4().hex
                for other in range(1, launch.size):
                    asked = agent.get(f"hello/{other}").decode()
                    agent.delete_key(f"hello/{other}")
                    agent.set(asked, word)
        except DistError as error:
            raise RunError(
                f"process {launch.rank} of {launch.size} does not reach the others at {launch.address}:{launch.port}: "
                f"{str(error).splitlines()[0]}"
            ) from error
        return cls(launch.rank, PrefixStore(word, agent), agent if by_agent else None)

    def agree(self, key: str, decide: Callable[[], T]) -> T:
        """Return what ``decide`` returns in the first process: a value that JSON holds.

        Raises:
            ZooError: as ``decide``, in the first process.
            OtherProcessError: in the others.
        """
        if self.rank == 0 or self._store is None:
            try:
                value = decide()
            except ZooError as error:
                self._publish(key, {"status": error.exit_status})
                raise
            self._publish(key, {"value": value})
            return value
        self._store.wait([key], PATIENCE)
        answer = json.loads(self._store.get(key))
        if "status" in answer:
            raise OtherProcessError(answer["status"])
        decided: T = answer["value"]
        return decided

    def _publish(self, key: str, answer: dict[str, Any]) -> None:
        self._decided[key] = json.dumps(answer)
        if self._store is not None:
            self._store.set(key, self._decided[key])

    def connect(self, backend: str, size: int) -> None:
        """Form the group in which the processes of a launcher compute together, by the store of this training.

        torch itself would take torchrun's store as it is. That holds the addresses of processes that have ended, where
        torchrun starts others in their place, and each would wait for those.

        Args:
            backend: what computes, such as gloo or nccl.
            size: processes on all machines.
        """
        if self._store is not None and not distributed.is_initialized():
            store = PrefixStore("group", self._store)
            distributed.init_process_group(backend, store=store, rank=self.rank, world_size=size)

    def remember(self, key: str, value: str) -> None:
        """Let processes that torchrun starts later, in place of these, read a value."""
        if self._agent is not None and self.rank == 0:
            self._agent.set(key, value)

    def recall(self, key: str) -> str | None:
        """Return a value that processes before these left."""
        if self._agent is None or not self._agent.check([key]):
            return None
        return self._agent.get(key).decode()

    def is_first_to_fail(self, text: str) -> bool:
        """Tell whether this process fails before all others; the others follow it, or fail of the same."""
        if self._store is None:
            return True
        own = f"{self.rank}: {text}"
        try:
            return self._store.compare_set("failed", "", own).decode() == own
        except DistError:  # the process that serves the store is gone
            return True


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def require_nodes(environ: Mapping[str, str], nodes: object) -> None:
    """Refuse, by a UserError, several machines where nothing says which of them this is."""
    missing = [name for name in ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT") if name not in environ]
    if str(nodes or 1) != "1" and missing:
        raise UserError(
            f"--trainer.num_nodes is {nodes}, and no launcher started this process; start it on each machine with "
            f"torchrun --nnodes {nodes} ..., or set {', '.join(missing)}"
        )
