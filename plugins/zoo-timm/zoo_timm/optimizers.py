"""timm's own optimizers as a family of zoo: ``--optimizer timm/lamb``; torch's are zoo's already.

Names that timm gives to one class with other defaults (lambc, lambw) are options here: ``--optimizer.trust_clip true``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_timm.cache import cached

if TYPE_CHECKING:
    from torch.optim import Optimizer


def names() -> list[str]:
    """Return timm's names of its optimizers, of each class the first."""
    return cached("optimizers-", lambda: sorted(_classes()))


def builder(name: str) -> type[Optimizer]:
    """Return the class of one of timm's optimizers, by timm's name of it, such as ``lamb``."""
    return _classes()[name]


def _classes() -> dict[str, type[Optimizer]]:
    from timm import optim

    library: Any = optim  # its annotations are those of a private module
    info_of, classes = library.get_optimizer_info, dict["type[Optimizer]", str]()
    for name in sorted(library.list_optimizers(), key=lambda name: (bool(info_of(name).defaults), len(name), name)):
        info = info_of(name)
        kind = info.opt_class
        # Those of second order need gradients of gradients, which no training here computes.
        if isinstance(kind, type) and kind.__module__.startswith("timm.") and not info.second_order:
            classes.setdefault(kind, name)
    return {name: kind for kind, name in classes.items()}
