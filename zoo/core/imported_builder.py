"""A builder by its import path: ``my_package.losses.focal`` stands where a registered name can, for some kinds."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from zoo.core.errors import UserError
from zoo.core.foreign import importing
from zoo.core.kinds import KINDS, Kind
from zoo.core.trust import require_import


def is_import_path(kind: Kind, name: str) -> bool:
    """Tell the import path of a builder, whose package can be found, from other names; nothing is imported."""
    parts = name.split(".")
    if not KINDS[kind].by_path or len(parts) < 2 or not all(part.isidentifier() for part in parts):
        return False
    return find_spec(parts[0]) is not None


@dataclass(frozen=True)
class ImportedBuilder:
    """A builder that no distribution registers; what ``Entry`` is for a registered one.

    Args:
        kind: of the builder.
        name: its import path, ``module.function``.
    """

    kind: Kind
    name: str
    origin: str = ""
    version: str = ""
    family: bool = False

    @property
    def distribution(self) -> str:
        """Where it comes from: the module."""
        return self.name.rpartition(".")[0]

    @property
    def title(self) -> str:
        """Kind and path, for errors."""
        return f"{KINDS[self.kind].title} '{self.name}'"

    def load(self) -> Any:
        """Import the builder; what its module prints meanwhile is dropped.

        Raises:
            UserError: it may not be imported, or cannot be, or its parameters do not begin with those that zoo passes:
                a checkpoint may name a path, and must not be able to call anything else.
        """
        require_import(self.name)
        module, _, attribute = self.name.rpartition(".")
        with importing(self.title):
            builder = getattr(import_module(module), attribute)
        passed = KINDS[self.kind].passed
        try:
            parameters = tuple(inspect.signature(builder).parameters)
        except (ValueError, TypeError):  # no signature can be read
            parameters = ()
        if parameters[: len(passed)] != passed:
            raise UserError(f"{self.title} breaks the contract: it is called with ({', '.join(passed)}, ...)")
        return builder
