"""What breaks a contract, and how it is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zoo.core import registry
from zoo.core.errors import ZooError
from zoo.core.kinds import Kind
from zoo.data.contract import BrokenDatasetError
from zoo.models.contract import BrokenNetworkError


class ContractError(ZooError, AssertionError):
    """A rule of the contract is broken; the message states the rule and what was received."""

    exit_status = 2


def require(condition: bool, rule: str) -> None:
    """Raise a ContractError that states the rule, where the condition is false."""
    if not condition:
        raise ContractError(f"breaks the contract: {rule}")


@contextmanager
def clauses() -> Iterator[None]:
    """Raise a ContractError where a clause is broken that zoo's own commands check as well."""
    try:
        yield
    except (BrokenNetworkError, BrokenDatasetError) as error:
        raise ContractError(str(error)) from error


def builder_of(kind: Kind, value: Any) -> Any:
    """Return what a name is registered for; a builder or a class is itself."""
    return registry.load(kind, value) if isinstance(value, str) else value
