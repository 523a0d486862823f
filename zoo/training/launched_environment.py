"""What a launcher started, in the form in which Lightning asks for it."""

from __future__ import annotations

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment

from zoo.core.launcher import Launch


class LaunchedEnvironment(ClusterEnvironment):
    """The processes of a launcher.

    In place of Lightning's own environments: that of SLURM saves checkpoints, when a job is to be requeued, where every
    other run starts from them, and that of MPI needs a package.

    Args:
        launch: this process among those that were started.
    """

    def __init__(self, launch: Launch) -> None:
        super().__init__()
        self.launch = launch

    @property
    def creates_processes_externally(self) -> bool:
        """The launcher has started all processes."""
        return True

    @property
    def main_address(self) -> str:
        """Where process 0 listens."""
        return self.launch.address

    @property
    def main_port(self) -> int:
        """Its port there."""
        return self.launch.port

    @staticmethod
    def detect() -> bool:
        """It is never looked for: zoo passes it to the Trainer."""
        return False

    def world_size(self) -> int:
        """Return the number of processes."""
        return self.launch.size

    def set_world_size(self, size: int) -> None:
        """Do nothing: the launcher has decided."""

    def global_rank(self) -> int:
        """Return the number of this process."""
        return self.launch.rank

    def set_global_rank(self, rank: int) -> None:
        """Do nothing: the launcher has decided."""

    def local_rank(self) -> int:
        """Return the number of this process on its machine."""
        return self.launch.local_rank

    def node_rank(self) -> int:
        """Return the number of its machine."""
        return self.launch.node
