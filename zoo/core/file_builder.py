"""A network in one Python file: ``mynet.py`` or ``mynet.py:MyNet`` stands where a registered name can.

    mynet.py  ──executed──►  its builder: a function or class whose first parameter is ``spec``
        │
        └──copied──►  RUN/mynet.py, and RUN/config.yaml: {name: mynet, from: "mynet.py:MyNet sha256=..."}

The run's copy builds the network from then on, and only while its SHA-256 is the recorded one.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from zoo.core.errors import UserError, did_you_mean
from zoo.core.foreign import importing
from zoo.core.trust import FILE_MODULE, require_file

#: What a run records of a builder's file.
ORIGIN = re.compile(r"(?P<file>[^/\\]+\.py):(?P<builder>\w+) sha256=(?P<digest>[0-9a-f]{64})")


def is_file_name(name: str) -> bool:
    """Tell ``mynet.py`` and ``mynet.py:MyNet`` from registered names."""
    return _split(name)[0].endswith(".py")


def is_file_origin(origin: str) -> bool:
    """Tell the record of a file from that of a distribution."""
    return ORIGIN.fullmatch(origin) is not None


def locate(name: str, origin: str, folder: Path) -> str:
    """Return the name that loads what a run in ``folder`` recorded; a registered name is its own."""
    match = ORIGIN.fullmatch(origin)
    return f"{folder / match['file']}:{match['builder']}" if match else name


def is_same_file(name: str, origin: str) -> bool:
    """Tell whether a name is that of a file, and of a builder in it, that a run recorded."""
    match = ORIGIN.fullmatch(origin)
    if match is None or not is_file_name(name):
        return False
    builder = open_file(name)
    return builder.digest == match["digest"] and builder.chosen in ("", match["builder"])


@dataclass(frozen=True)
class FileBuilder:
    """A builder in a Python file of the user's; what ``Entry`` is for a registered one.

    Args:
        path: of the file.
        content: of the file, read once: what is executed, hashed and copied is the same.
        chosen: name of the builder; empty for the only one.
    """

    path: Path
    content: bytes
    chosen: str = ""
    version: str = ""
    family: bool = False

    @property
    def name(self) -> str:
        """What the network is called in paths and reports."""
        return self.path.stem

    @property
    def distribution(self) -> str:
        """Where it comes from."""
        return str(self.path)

    @property
    def title(self) -> str:
        """Kind and file, for errors."""
        return f"architecture {self.path}"

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return sha256(self.content)

    @property
    def record(self) -> str:
        """What a run records of the file."""
        return f"{self.path.name} sha256={self.digest}"

    @property
    def origin(self) -> str:
        """What a run records; it is loaded where the builder is not chosen by name."""
        return f"{self.path.name}:{self.chosen or self.load().__name__} sha256={self.digest}"

    def load(self) -> Any:
        """Execute the file and return its builder.

        Whatever it prints is dropped, so that it cannot mix with zoo's output.

        Raises:
            UserError: it raises, has no such builder, has none or several and none is chosen, or may not be executed.
        """
        require_file(self.path, self.record)
        module = execute(self.path, self.content)
        if self.chosen:
            builder = getattr(module, self.chosen, None)
            if builder is None:
                hint = did_you_mean(self.chosen, _builders(module))
                raise UserError(f"{self.path} defines no '{self.chosen}'{hint}")
            if not _takes_spec(builder):
                raise UserError(f"{self.path}: the first parameter of builder '{self.chosen}' must be spec")
            return builder
        builders = _builders(module)
        if not builders:
            raise UserError(
                f"{self.path} defines no builder: a function or nn.Module class whose first parameter is spec"
            )
        if len(builders) > 1:
            examples = " or ".join(f"{self.path}:{name}" for name in builders)
            raise UserError(f"{self.path} defines {len(builders)} builders; choose one: {examples}")
        return next(iter(builders.values()))


def open_file(name: str, origin: str = "") -> FileBuilder:
    """Read a builder's file; nothing in it is executed.

    Args:
        name: ``PATH.py`` or ``PATH.py:BUILDER``.
        origin: what a run recorded of the file, which must be unchanged.

    Raises:
        UserError: the file cannot be read, or differs from the recorded one.
    """
    file, chosen = _split(name)
    path = Path(file)
    try:
        builder = FileBuilder(path, path.read_bytes(), chosen)
    except OSError as error:
        raise UserError(f"architecture file {path} cannot be read: {error.strerror}") from error
    match = ORIGIN.fullmatch(origin)
    if match and builder.digest != match["digest"]:
        raise changed_file(path, builder.digest, match["digest"])
    return builder


def changed_file(path: Path, digest: str, recorded: str) -> UserError:
    """Return the error of a file whose SHA-256 is not the one that a run has recorded."""
    return UserError(
        f"{path} was changed: its SHA-256 is {digest}, the run was trained with {recorded}; "
        "put the old file back, or train a new run"
    )


def _split(name: str) -> tuple[str, str]:
    file, colon, builder = name.rpartition(":")
    return (file, builder) if colon and file.endswith(".py") else (name, "")


@cache
def execute(path: Path, content: bytes) -> ModuleType:
    """Execute a file once, as a module of its own; no __pycache__ appears beside it."""
    module = ModuleType(f"{FILE_MODULE}{path.stem}_{sha256(content)[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and typing look a class's module up
    try:
        with importing(str(path)):
            exec(compile(content, str(path), "exec"), module.__dict__)
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module


def _builders(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Return the builders that a module defines itself, by name."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__ and _takes_spec(value)
    }


def _takes_spec(value: Any) -> bool:
    if not callable(value):
        return False
    try:
        return next(iter(inspect.signature(value).parameters), "") == "spec"
    except (ValueError, TypeError):  # no signature can be read
        return False


def sha256(content: bytes) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    import hashlib  # it loads OpenSSL, a twentieth of the time in which TAB answers

    return hashlib.sha256(content).hexdigest()
