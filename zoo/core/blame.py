"""Says in whose code an error arose that zoo did not foresee: a plugin's, a file's, a library's or zoo's own."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from importlib import metadata
from traceback import walk_tb
from typing import TypeGuard

from zoo.core.distributions import scan_distributions
from zoo.core.errors import brief
from zoo.core.trust import FILE_MODULE

#: Errors of the operating system that say what a file does not allow.
OF_RIGHTS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.ENAMETOOLONG)


def is_of_rights(error: BaseException) -> TypeGuard[OSError]:
    """Tell an error that names a file which the user may not use."""
    return isinstance(error, OSError) and error.errno in OF_RIGHTS and error.filename is not None


def unforeseen(error: BaseException) -> str:
    """Return class and text of an error in one line, with the distribution in whose code it was raised.

    A file that the user may not use is named alone: no code is to blame.
    """
    if is_of_rights(error):
        return f"{error.filename}: {error.strerror}; make it usable for this user, or use another place"
    return f"{brief(error)}{raised_in(error)} (--debug shows where)"


def raised_in(error: BaseException) -> str:
    """Return ``, raised in ...``: the innermost code of a plugin or a file, else of a distribution; empty without any.

    A plugin comes before the library that it calls: what it passes on is why the library raises.
    """
    frames = list(_frames(error))
    plugins = {
        registered.point.module.partition(".")[0]: f"{registered.distribution} {registered.version}"
        for registered in scan_distributions().registered
    }
    for module, place in frames:
        package = module.partition(".")[0]
        if module.startswith(FILE_MODULE) or module == "__main__":
            return f", raised in {place}"
        if package in plugins and package != "zoo":
            return f", raised in the code of {plugins[package]}, {place}"
    packages = _packages() if frames else {}
    for module, place in frames:
        if owner := packages.get(module.partition(".")[0]):
            return f", raised in the code of {owner} {_version(owner)}, {place}"
    return ""


def _frames(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield module and place of the code that an error passed through, the innermost first."""
    for frame, line in reversed(list(walk_tb(error.__traceback__))):
        yield frame.f_globals.get("__name__") or "", f"{_short(frame.f_code.co_filename)} line {line}"


def _short(file: str) -> str:
    """Return a file's path from the folder on the path that holds it."""
    folders = [folder for folder in sys.path if folder and file.startswith(folder.rstrip(os.sep) + os.sep)]
    return os.path.relpath(file, max(folders, key=len)) if folders else file


def _packages() -> dict[str, str]:
    """Return the distribution that each package is of."""
    try:
        owners = metadata.packages_distributions()
    except Exception:  # the metadata of a distribution is broken, which zoo doctor names
        return {"zoo": "zoo"}
    return {package: names[0] for package, names in owners.items()}


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution) or ""
    except Exception:  # as above
        return ""
