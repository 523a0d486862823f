"""Tell the numbers that zoo computes with from what files may hold in their place."""

from __future__ import annotations

import sys
from typing import Any


def is_number(value: Any) -> bool:
    """Tell a finite int or float from everything else: true, text, infinity, an int that is larger than any float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
