"""Registered names of optimizers and schedulers become the class paths that the parser takes, and config.yaml holds.

--optimizer lion   optimizer: lion   optimizer: {class_path: lion, init_args: {lr: 0.001}}
──►  optimizer.class_path = my_package.optimizers.Lion
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from zoo.config.resolve import ConfigSources
from zoo.core import registry
from zoo.core.errors import UserError
from zoo.core.registry import Kind
from zoo.core.trust import grant, is_allowed, is_granted
from zoo.runs.config_file import CLASS_SECTIONS

#: What the classes of each kind are subclasses of.
BASES: dict[Kind, type] = {"optimizer": Optimizer, "scheduler": LRScheduler}


def use_class_paths(sources: ConfigSources) -> None:
    """Replace registered names of optimizers and schedulers in the sources of a configuration.

    Raises:
        UserError: no class has such a name, its package cannot be imported, or it is no class of the kind.
    """
    for section, kind in CLASS_SECTIONS.items():
        for prefix in (f"--{section}=", f"--{section}.class_path="):
            sources.options = [
                prefix + _path(kind, option.removeprefix(prefix)) if option.startswith(prefix) else option
                for option in sources.options
            ]
        for config in sources.configs:
            value = config.get(section)
            if isinstance(value, str):
                config[section] = _path(kind, value)
            elif isinstance(value, dict) and isinstance(value.get("class_path"), str):
                value["class_path"] = path = _path(kind, value["class_path"])
                if "." in path and not (is_allowed(path) or is_granted(path)) and _is_of_family(kind, path):
                    grant(path)


def load_class(kind: Kind, name: str) -> type:
    """Import and return a registered class.

    Raises:
        UserError: as ``registry.load``, or the value is no subclass of what the kind is.
    """
    base, value = BASES[kind], registry.load(kind, name)
    title = registry.find(kind, name).title
    if not (inspect.isclass(value) and issubclass(value, base)):
        raise UserError(
            f"{title} breaks the contract: it must be a subclass of {base.__module__}.{base.__name__}, received "
            f"{value.__name__ if inspect.isclass(value) else type(value).__name__}"
        )
    return value


def _path(kind: Kind, name: str) -> str:
    """Return the class path of a registered name; what is a path, null or a mapping as text stays."""
    if not name or name in ("null", "None") or name[0] in "{[" or ("." in name and "/" not in name and ":" not in name):
        return name
    if not registry.has(kind, name) and name in _imported_names(BASES[kind]):
        return name  # of a class that someone has imported; the parser resolves it
    value, entry = load_class(kind, name), registry.find(kind, name)
    if isinstance(entry, registry.Entry) and not entry.family:
        return entry.entry_point.value.replace(":", ".")
    path = f"{value.__module__}.{value.__qualname__}"
    if getattr(import_module(value.__module__), value.__qualname__, None) is not value:
        raise UserError(f"{entry.title} breaks the contract: {path} is not the class of '{name}'")
    grant(path)  # a family may offer classes of other packages
    return path


def _is_of_family(kind: Kind, path: str) -> bool:
    """Tell whether a class path is that of a registered name of a family, as config.yaml holds it."""
    for name in registry.list_names(kind):
        if "/" not in name:
            continue
        try:
            value = registry.load(kind, name)
        except Exception:  # a plugin that fails, which the user did not name
            continue
        if f"{value.__module__}.{value.__qualname__}" == path:
            return True
    return False


def _imported_names(base: type) -> Iterator[str]:
    subclasses: list[type] = base.__subclasses__()
    for subclass in subclasses:
        yield subclass.__name__
        yield from _imported_names(subclass)
