"""What breaks a contract, and how it is said."""

from __future__ import annotations

from zoo.core.errors import ZooError


class ContractError(ZooError, AssertionError):
    """A rule of the contract is broken; the message states the rule and what was received."""

    exit_status = 2


def require(condition: bool, rule: str) -> None:
    """Raise a ContractError that states the rule, where the condition is false."""
    if not condition:
        raise ContractError(f"breaks the contract: {rule}")
