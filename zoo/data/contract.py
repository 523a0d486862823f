"""What a data set must give."""

from __future__ import annotations

from typing import Any

from zoo.core.errors import UserError


def require_contract(name: str, split: str, dataset: Any) -> None:
    """Refuse, by a UserError, what a builder of data sets returned where it lacks what the contract asks for."""
    for attribute in ("__len__", "__getitem__", "classes"):
        if not hasattr(dataset, attribute):
            raise UserError(f"data set '{name}' breaks the contract: its {split} split has no {attribute}")
