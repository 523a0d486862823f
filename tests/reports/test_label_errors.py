"""Confident learning against its definition, and what the ranking puts first."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.reports.label_errors import ranking, suspects


@pytest.fixture
def noisy():
    """Labels of 400 images of 4 classes, one in ten wrong, the probabilities of a network that is mostly right."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 4, 400)
    wrong = random.random(400) < 0.1
    labels = np.where(wrong, (truth + random.integers(1, 4, 400)) % 4, truth)
    logits = random.normal(size=(400, 4))
    logits[np.arange(400), truth] += 3
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return labels, probabilities, wrong


def test_suspects_are_off_the_diagonal_of_the_confident_joint_and_not_predicted(noisy):
    labels, probabilities, _ = noisy
    thresholds = [probabilities[labels == name, name].mean() for name in range(4)]
    expected = []
    for label, values in zip(labels, probabilities, strict=True):
        confident = {name: value for name, value in enumerate(values) if value >= thresholds[name]}
        counted = max(confident, key=confident.get) if confident else label
        expected.append(counted != label and values.argmax() != label)
    assert suspects(labels, probabilities).tolist() == expected


def test_wrong_labels_come_first(noisy):
    labels, probabilities, wrong = noisy
    first = ranking(labels, probabilities)[: wrong.sum()]
    assert wrong[first].mean() > 0.8
    assert sorted(ranking(labels, probabilities).tolist()) == list(range(400))


def test_suspects_come_before_others_and_each_by_rising_probability_of_the_label(noisy):
    labels, probabilities, _ = noisy
    order, suspect = ranking(labels, probabilities), suspects(labels, probabilities)
    assert suspect[order].tolist() == sorted(suspect.tolist(), reverse=True)
    own = probabilities[np.arange(400), labels]
    for part in (order[suspect[order]], order[~suspect[order]]):
        assert (np.diff(own[part]) >= 0).all()


def test_a_class_that_is_no_label_makes_nothing_suspect():
    labels, probabilities = np.array([0, 0, 1]), np.array([[0.2, 0.1, 0.7], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]])
    assert not suspects(labels, probabilities).any()


def test_a_network_that_is_unsure_of_everything_makes_nothing_suspect():
    labels, probabilities = np.array([0, 1, 0]), np.full((3, 2), 0.5)
    assert not suspects(labels, probabilities).any()
