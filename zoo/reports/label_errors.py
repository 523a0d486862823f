"""Find labels that are likely to be wrong, from the probabilities of a network that was not trained on them.

Confident learning: C. Northcutt, L. Jiang, I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels"
(2021), https://arxiv.org/abs/1911.00068. A label is suspect if the network predicts another class and counts the image
to another class: of the classes that it is at least as sure of as on average where they are the label, the likeliest.
Labels are ranked by self-confidence, the probability of the label.
"""

from __future__ import annotations

import numpy as np


def suspects(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return which labels are off the diagonal of the confident joint and not predicted, bool ``(count,)``.

    Args:
        labels: int64 ``(count,)``, indices of classes.
        probabilities: float ``(count, classes)``, out of sample: the network was not trained on these images.
    """
    classes = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels]
    counts, sums = np.bincount(labels, minlength=classes), np.bincount(labels, weights=own, minlength=classes)
    # A class that is no label has no threshold, and no image is counted to it.
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    confident = probabilities >= thresholds
    likeliest = np.where(confident, probabilities, -1).argmax(axis=1)
    return np.asarray(confident.any(axis=1) & (likeliest != labels) & (probabilities.max(axis=1) > own))


def ranking(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return all indices, int64 ``(count,)``: suspect labels first, then the others, each by rising self-confidence.

    Arguments as ``suspects``.
    """
    own = probabilities[np.arange(len(labels)), labels]
    return np.lexsort((own, ~suspects(labels, probabilities)))
