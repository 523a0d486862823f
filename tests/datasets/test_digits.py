"""The digits of scikit-learn, with and without importing it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from zoo.core.errors import UserError
from zoo.datasets import digits


def test_digits_are_those_of_scikit_learn():
    for value, expected in zip(digits.read_digits(), load_digits(return_X_y=True), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_a_version_that_moved_the_file_is_asked_for_them(monkeypatch):
    monkeypatch.setattr(Path, "is_file", lambda self: False)
    pixels, labels = digits.read_digits()
    assert pixels.shape == (1797, 64)
    assert labels.shape == (1797,)


def test_without_scikit_learn_one_line_says_so(monkeypatch):
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install scikit-learn"):
        digits.read_digits()
