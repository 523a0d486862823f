"""Makes the folder of a new run, and puts into it what a checkpoint does not hold."""

from __future__ import annotations

from pathlib import Path

import yaml

from zoo.config.outputs import outside
from zoo.config.resolve import ConfigSources
from zoo.core import registry
from zoo.core.code_file import CodeFile
from zoo.core.errors import UserError
from zoo.core.file_builder import FileBuilder
from zoo.core.trust import place_of, used
from zoo.data.image_data import ImageData
from zoo.data.split_file import write_split
from zoo.runs.files import write_atomically
from zoo.runs.folder import Run
from zoo.runs.status import require_free
from zoo.runs.trusted import record_trust
from zoo.training.ranks import Ranks


def new_run(ranks: Ranks, root: Path, name: str | None, dataset: str, architecture: str) -> Run:
    """Return a new run, whose folder the first process makes for all.

    Args:
        ranks: the processes that train it.
        root: where its folder is to be.
        name: of the folder; None for ``<data set>-<architecture>/version_<n>``.
        dataset: name of the data set.
        architecture: name of the network.

    Raises:
        UserError: the folder cannot be made.
    """

    def make() -> str:
        if name is not None and Run(root / name).lock.exists():
            require_free(Run(root / name))
        run = Run.create(root, dataset, architecture) if name is None else Run.create_named(root, name)
        return str(run.path)

    return Run(Path(ranks.agree("new run", make)))


def keep_code(run: Run, sources: ConfigSources, origin: str) -> None:
    """Copy files of parts, and a network that is one file, into the run, which goes on with the copies.

    Args:
        run: the folder.
        sources: what the configuration is made of.
        origin: where the network comes from, as the run records it.

    Raises:
        UserError: two files of one name differ.
    """
    entry = registry.find("architecture", sources.names["architecture"], origin)
    files: list[FileBuilder | CodeFile] = [*sources.code, *([entry] if isinstance(entry, FileBuilder) else [])]
    contents = {file.path.name: file.content for file in files}
    for file in files:
        if contents[file.path.name] != file.content:
            raise UserError(f"the run would hold two files called {file.path.name}; rename one of them")
        write_atomically(run.path / file.path.name, file.content)


def record(run: Run, config: str, data: ImageData | None) -> None:
    """Write the split of a new run that was drawn, what the configuration needs of the user's own, and itself, YAML."""
    if data is not None and (rows := data.splits.recorded()):
        write_split(run.split, rows)
    record_trust(run, used() | {place_of(text) for _, text in outside(yaml.safe_load(config), run)})
    write_atomically(run.config, config)  # last: a folder without it is no run yet
