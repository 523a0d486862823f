"""Intervals of shares, such as an accuracy measured on some images."""

from __future__ import annotations

import math

#: The 97.5 % quantile of the normal distribution, for intervals of 95 %.
QUANTILE = 1.959964


def interval(correct: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share by E. B. Wilson, 1927: https://doi.org/10.1080/01621459.1927.10502953.

    Args:
        correct: the number of successes.
        count: of how many, 1 or more.
    """
    share, square = correct / count, QUANTILE**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = QUANTILE / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def interval_text(correct: float, count: int) -> str:
    """Return that interval as people read it: ``88.3% to 100.0%``."""
    low, high = interval(correct, count)
    return f"{low:.1%} to {high:.1%}"
