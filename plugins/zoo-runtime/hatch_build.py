"""Puts zoo/runtime.py into the distribution, as the module zoo_runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODULE = "zoo_runtime.py"


class RuntimeSource(BuildHookInterface):
    """Takes the module out of the repository, or, building from a source distribution, from beside this file."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the module to what is built."""
        packed = Path(self.root, MODULE)
        source = packed if packed.exists() else Path(self.root).parents[1] / "zoo" / "runtime.py"
        build_data["force_include"][str(source)] = MODULE
