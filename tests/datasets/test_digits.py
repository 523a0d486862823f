import numpy as np
from sklearn.datasets import load_digits

from zoo.datasets.digits import read_digits


def test_digits_are_those_of_scikit_learn():
    pixels, labels = read_digits()

    expected, classes = load_digits(return_X_y=True)
    np.testing.assert_array_equal(pixels, expected)
    np.testing.assert_array_equal(labels, classes)
