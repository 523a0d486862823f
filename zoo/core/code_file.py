"""A file of parts: ``--code my_parts.py`` gives the builders in it that ``zoo.register`` marks their names.

    my_parts.py  ──executed──►  @zoo.register("loss") def soft(spec, ...)   ──►   --model.loss soft
        │
        └──copied──►  RUN/my_parts.py, and RUN/config.yaml: code: [my_parts.py sha256=...]

The run's copy is used from then on, and only while its SHA-256 is the recorded one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from zoo.core.entry_points import Entry, entries
from zoo.core.errors import UserError, did_you_mean
from zoo.core.file_builder import ORIGIN, changed_file, execute, sha256
from zoo.core.kinds import KINDS, Kind
from zoo.core.trust import require_file

#: What a run records of a file.
RECORD = re.compile(r"(?P<file>[^/\\]+\.py) sha256=(?P<digest>[0-9a-f]{64})")

#: The attribute by which ``register`` marks a builder: its kinds and names.
MARK = "__zoo_names__"

#: Kinds that a file cannot add: they are there before any option is read.
INSTALLED_KINDS = ("model", "command")

Builder = TypeVar("Builder", bound=Callable[..., Any])


def register(kind: Kind, name: str | None = None) -> Callable[[Builder], Builder]:
    """Mark a function or class of a file of parts: ``--code FILE`` gives it a name.

    Args:
        kind: architecture, dataset, augmentation, loss ...: a group of entry points, in the singular.
        name: by default that of the function or class.

    Raises:
        UserError: there is no such kind.
    """
    allowed = [each for each in KINDS if each not in INSTALLED_KINDS]
    if kind not in allowed:
        raise UserError(
            f"zoo.register: kind is {kind!r}; allowed are {', '.join(allowed)}{did_you_mean(str(kind), allowed)}"
        )

    def mark(builder: Builder) -> Builder:
        own = vars(builder).get(MARK, ())
        setattr(builder, MARK, (*own, (kind, name or builder.__name__)))
        return builder

    return mark


@dataclass(frozen=True)
class CodeFile:
    """A file of parts; nothing in it is executed before its entries are asked for.

    Args:
        path: of the file.
        content: read once: what is executed, hashed and copied is the same.
    """

    path: Path
    content: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return sha256(self.content)

    @property
    def record(self) -> str:
        """What a run records of it."""
        return f"{self.path.name} sha256={self.digest}"

    def holds(self, origin: str) -> bool:
        """Tell whether a part that a run recorded is of this file, as it was."""
        match = ORIGIN.fullmatch(origin)
        return match is not None and f"{match['file']} sha256={match['digest']}" == self.record

    def entries(self) -> list[CodeEntry]:
        """Execute the file and return its parts.

        Raises:
            UserError: it raises, marks no builder, or may not be executed.
        """
        require_file(self.path, self.record)
        module = execute(self.path, self.content)
        marked = [
            CodeEntry(kind, name, self, value)
            for value in vars(module).values()
            if callable(value) and getattr(value, "__module__", "") == module.__name__
            for kind, name in vars(value).get(MARK, ())
        ]
        if not marked:
            raise UserError(f"{self.path} names no part: write @zoo.register(KIND) above a builder")
        return marked


@dataclass(frozen=True)
class CodeEntry:
    """A part of such a file; what ``Entry`` is for a registered one."""

    kind: Kind
    name: str
    file: CodeFile
    builder: Any
    version: str = ""
    family: bool = False

    @property
    def distribution(self) -> str:
        """Where it comes from."""
        return str(self.file.path)

    @property
    def origin(self) -> str:
        """What a run records."""
        return f"{self.file.path.name}:{self.builder.__name__} sha256={self.file.digest}"

    @property
    def title(self) -> str:
        """Kind, name and file, for errors."""
        return f"{KINDS[self.kind].title} '{self.name}' of {self.file.path}"

    def load(self) -> Any:
        """Return the builder."""
        return self.builder

    def require(self, origin: str) -> None:
        """Refuse, by a UserError, to stand for what a run recorded of another content of the file."""
        match = ORIGIN.fullmatch(origin)
        if match and match["digest"] != self.file.digest:
            raise changed_file(self.file.path, self.file.digest, match["digest"])


#: The parts of the files that the configuration of this process names.
_active: list[CodeEntry] = []


def open_code(text: str, folder: Path) -> CodeFile:
    """Read a file of parts.

    Args:
        text: the path of the file, or what a run has recorded of it.
        folder: of the run.

    Raises:
        UserError: the file cannot be read, is no Python file, or differs from the recorded one.
    """
    match = RECORD.fullmatch(text)
    path = folder / match["file"] if match else Path(text)
    if path.suffix != ".py":
        raise UserError(f"--code is '{text}'; allowed are Python files, whose names end in .py")
    try:
        file = CodeFile(path, path.read_bytes())
    except OSError as error:
        raise UserError(f"code file {path} cannot be read: {error.strerror}") from error
    if match and file.digest != match["digest"]:
        raise changed_file(path, file.digest, match["digest"])
    return file


def use_code(files: Sequence[CodeFile]) -> None:
    """Execute files and let their parts have names from now on, in place of those of files before.

    Raises:
        UserError: as ``CodeFile.entries``, or a name is taken.
    """
    marked: list[CodeEntry] = []
    for entry in (entry for file in files for entry in file.entries()):
        others: list[Entry | CodeEntry] = [*entries(entry.kind), *marked]
        owners = [other.distribution for other in others if (other.kind, other.name) == (entry.kind, entry.name)]
        if owners:
            raise UserError(f"{entry.title}: the name is taken by {owners[0]}; choose another name")
        marked.append(entry)
    _active[:] = marked


def code_entries(kind: Kind) -> list[CodeEntry]:
    """Return the parts of a kind that the files in use hold."""
    return [entry for entry in _active if entry.kind == kind]
