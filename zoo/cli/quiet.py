"""Keep the notices of lightning and other libraries off the terminal."""

from __future__ import annotations

import sys
import warnings


def silence_libraries() -> None:
    """Show errors only: what a user must know, zoo prints itself.

    Call it after lightning is imported, which sets the levels of its loggers.
    """
    import logging  # here, for completion imports each command's module

    for name in ("lightning", "lightning.pytorch", "lightning.fabric", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
