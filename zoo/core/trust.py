"""What files may name: the packages that zoo imports for them, the Python files that it executes, where they write.

The command line and Python code say themselves what they want. Config files, checkpoints and run folders may come from
anybody: what they name is checked where it would be imported, executed or written.

    with restricted():                           checks what is named from here on
        grant("my_package")                      the user names it, on the command line or by --trust
        require_import("my_package.Lion")        passes; torch.optim.SGD too; other.Lion is a UserError
        used()                                   {"my_package"}, which a run records (zoo.runs.trusted)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from zoo.core.entry_points import entries
from zoo.core.errors import UserError
from zoo.core.kinds import FAMILY_KINDS, KINDS

#: Packages that any file may name, beside those of installed plugins.
PACKAGES = ("lightning", "torch", "torchmetrics", "torchvision", "zoo")

#: How modules of executed files are called; they are there only because they were allowed.
FILE_MODULE = "zoo_file_"

#: What a class is granted by that the user names without its module: one that is imported already.
SHORT = "*."


@dataclass
class _Grants:
    names: set[str]
    used: set[str] = field(default_factory=set)

    def cover(self, *names: str) -> bool:
        """Tell whether one of the names is granted, and note that it is used."""
        granted = [name for name in names if name in self.names]
        self.used.update(granted[:1])
        return bool(granted)


_grants: ContextVar[_Grants | None] = ContextVar("grants", default=None)

#: Names that Python code trusts, whichever call asks.
_trusted: ContextVar[frozenset[str]] = ContextVar("trusted", default=frozenset())


@contextmanager
def trust(*names: str) -> Iterator[None]:
    """Let files name these packages, Python files and folders, in all that runs within: ``with zoo.trust("mine"):``.

    Args:
        *names: as ``--trust`` takes them: ``my_package``, ``mynet.py``, ``./logs``.
    """
    token = _trusted.set(_trusted.get() | {_plain(name) for name in names})
    try:
        yield
    finally:
        _trusted.reset(token)


@contextmanager
def restricted(names: Iterable[str] = ()) -> Iterator[None]:
    """Check what files name, within; what is granted outside stays granted, what is granted within ends with it.

    Args:
        names: granted from the beginning.
    """
    before = _grants.get()
    inherited = before.names if before is not None else set()
    token = _grants.set(_Grants({*inherited, *_trusted.get(), *(_plain(name) for name in names)}))
    try:
        yield
    finally:
        _grants.reset(token)


def grant(*names: str) -> None:
    """Let files name these from here on, where anything is restricted."""
    if (grants := _grants.get()) is not None:
        grants.names.update(_plain(name) for name in names)


def used() -> set[str]:
    """Return the names without which something would have been refused."""
    grants = _grants.get()
    return set() if grants is None else set(grants.used)


def own_packages() -> set[str]:
    """Return the packages that any file may name: those of PACKAGES and of installed plugins; from metadata alone."""
    points = [entry.entry_point for kind in KINDS for entry in entries(kind)]
    points += [entry.entry_point for kind in FAMILY_KINDS for entry in entries(kind, family=True)]
    return {*PACKAGES, *(point.module.partition(".")[0] for point in points)}


def is_granted(path: str) -> bool:
    """Tell whether the user named an import path, its package or, if it is imported already, its class."""
    grants, parts = _grants.get(), path.split(".")
    if grants is None:
        return True
    imported = hasattr(sys.modules.get(".".join(parts[:-1])), parts[-1])
    names = [".".join(parts[: count + 1]) for count in range(len(parts))]
    return grants.cover(*names, *([SHORT + parts[-1]] if imported else []))


def is_allowed(path: str) -> bool:
    """Tell whether any file may name an import path, by its package; a file that is executed was allowed before."""
    package = path.partition(".")[0]
    private = any(part.startswith("__") for part in path.split("."))
    if package.startswith(FILE_MODULE):
        return package in sys.modules
    return not private and package in own_packages()


def require_import(path: str) -> None:
    """Refuse, by a UserError, the import path of a package that is neither allowed to all files nor granted."""
    if _grants.get() is not None and not is_allowed(path) and not is_granted(path):
        raise UserError(
            f"{path} is not imported: files may name classes of {', '.join(PACKAGES)} and of installed plugins; if you "
            f"trust the package and who wrote the file, add --trust {path.partition('.')[0]}"
        )


def require_file(path: Path, record: str) -> None:
    """Refuse, by a UserError, to execute a Python file that the user has not named.

    Args:
        path: the file.
        record: what a run records of it: name and SHA-256.
    """
    grants = _grants.get()
    if grants is None or grants.cover(record):
        return
    if path.name in grants.names:
        grants.used.add(record)
        return
    raise UserError(
        f"{path} is not executed: a file names it that may be anybody's, or a run of another machine or user; "
        f"read it, and if you trust it, add --trust {path.name}"
    )


def may_write(path: str) -> bool:
    """Tell whether the user granted a folder that a path lies in, or this address."""
    grants, place = _grants.get(), place_of(path)
    places = [place] if "://" in place else [place, *(str(parent) for parent in Path(place).parents)]
    return grants is None or grants.cover(*places)


def place_of(path: str) -> str:
    """Return the absolute path of what may not be there yet, without links; an address stays."""
    return path if "://" in path else os.path.realpath(os.path.expanduser(path))


def _plain(name: str) -> str:
    """Return the form of a name that is compared: of a folder its absolute path, of a Python file its name alone."""
    if " sha256=" in name or "://" in name:
        return name
    if name.endswith(".py"):
        return Path(name).name
    return place_of(name) if os.sep in name or name in (".", "..") else name
