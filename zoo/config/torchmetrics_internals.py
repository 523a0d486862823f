"""Private parts of torchmetrics that zoo needs: which of its modules load the libraries it draws and listens with.

    import torchmetrics ──► stand-ins for PARTS and plot ──► the rest, as ever ──► the stand-ins leave
                                                      torchmetrics.SignalNoiseRatio ──► the real part, at its first use

Lightning imports torchmetrics, and torchmetrics imports scipy.signal, torchvision and pyplot for figures of sounds, of
generated pictures, and drawings of metrics: 2.3 of the 8.4 seconds until the first step of ``zoo fit`` on two slow
cores. Read in torchmetrics 1.9.0; tests/config/test_torchmetrics_internals.py says what a new version moves.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

#: Modules that stand-ins take the place of while torchmetrics is imported; their packages are imported at first use.
PARTS = tuple(
    f"torchmetrics.{package}{part}{module}"
    for package in ("", "functional.")
    for part in ("audio", "image")
    for module in ("", "._deprecated")
)

#: What the rest of torchmetrics takes from this module: functions that draw, and types of their arguments.
PLOT = "torchmetrics.utilities.plot"
DRAWS, TYPES = ("plot_confusion_matrix", "plot_curve", "plot_single_or_multi_val"), ("_AX_TYPE", "_CMAP_TYPE")

#: The packages whose names come out of PARTS.
FACADES = ("torchmetrics", "torchmetrics.functional")


class Waiting:
    """A name of a part that is not imported yet.

    Args:
        module: that has it.
        name: there.
    """

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def get(self) -> Any:
        """Import the part, and return what has the name."""
        return getattr(importlib.import_module(self.module), self.name)


class _Part(ModuleType):
    """Stands in for a module; every public or protected name of it waits."""

    def __getattr__(self, name: str) -> Waiting:
        if name.startswith("__"):
            raise AttributeError(name)
        return Waiting(self.__name__, name)


class _Import(Loader):
    """Imports torchmetrics while stand-ins take the place of what is slow and rarely used."""

    def __init__(self, real: Loader) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Return what the real loader does."""
        return self.real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Import the package, and let the names that wait be imported when somebody asks for them."""
        stand_ins: dict[str, ModuleType] = {name: _Part(name) for name in PARTS} | {PLOT: _plot()}
        if "scipy.signal" not in sys.modules:
            stand_ins |= {"scipy.signal": _Part("scipy.signal")}
        sys.modules.update(stand_ins)
        try:
            self.real.exec_module(module)
        finally:
            for name in stand_ins:
                sys.modules.pop(name, None)
        for name in FACADES:
            _let_wait(sys.modules[name])


class _Finder(MetaPathFinder):
    """Finds torchmetrics for its first import, and nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how torchmetrics is imported."""
        if fullname != "torchmetrics":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Import(spec.loader)
        return spec


def import_quickly() -> None:
    """Let a later import of torchmetrics be quick; nothing changes where it is imported already."""
    if "torchmetrics" not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _plot() -> ModuleType:
    """Return a stand-in for the module that draws; its functions import the real one when they are called."""
    module: Any = ModuleType(PLOT)
    for name in DRAWS:
        setattr(module, name, _drawing(name))
    for name in TYPES:  # as torchmetrics has them where there is no matplotlib
        setattr(module, name, object)
    module._PLOT_OUT_TYPE = tuple[object, object]
    return module  # type: ignore[no-any-return]


def _drawing(name: str) -> Callable[..., Any]:
    def draw(*args: Any, **kwargs: Any) -> Any:
        return getattr(importlib.import_module(PLOT), name)(*args, **kwargs)

    draw.__name__ = name
    return draw


def _let_wait(package: Any) -> None:
    """Take names that wait out of a package, which then imports each when it is asked for."""
    waiting = {name: value for name, value in vars(package).items() if isinstance(value, Waiting)}
    parts = {name.rpartition(".")[2]: name for name in PARTS if name.rpartition(".")[0] == package.__name__}
    for name in [*waiting, *(part for part in parts if part in vars(package))]:
        delattr(package, name)

    def __getattr__(name: str) -> Any:
        if name in waiting:
            value = waiting[name].get()
        elif name in parts:
            value = importlib.import_module(parts[name])
        else:
            raise AttributeError(f"module '{package.__name__}' has no attribute '{name}'")
        setattr(package, name, value)
        return value

    package.__getattr__ = __getattr__
