"""zoo parameters: how many numbers an architecture learns."""

from __future__ import annotations

from collections.abc import Sequence

import zoo
from zoo import InputSpec, UserError

USAGE = "zoo parameters ARCHITECTURE... (as 'zoo list architectures' shows them)"


def parameters(words: Sequence[str]) -> None:
    """Print how many parameters architectures have, for ten classes of 32x32 RGB images.

    Args:
        words: what follows ``zoo parameters``: the architectures' names.

    Raises:
        UserError: no name is given, or one is unknown.
    """
    if not words or words[0] in ("-h", "--help"):
        raise UserError(USAGE)
    spec = InputSpec(tuple("0123456789"), 3, 32, 32, (0.5,) * 3, (0.25,) * 3)
    for name in words:
        network = zoo.create_architecture(name, spec)
        print(f"{name}: {sum(parameter.numel() for parameter in network.parameters()):,}")
