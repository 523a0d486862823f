"""The solved layer against scikit-learn, and what it does with kept rows, missing biases and few images."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy

from zoo.training.head_solver import FIXED_STRENGTH, STRENGTHS, solve


def blobs(count, width, classes):
    """Return features around one random centre for each class, and labels."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, width, generator=generator)
    return centres[labels] + torch.randn(count, width, generator=generator) + 3, labels


def zeros(classes, width):
    return torch.zeros(classes, width), torch.zeros(classes)


@pytest.mark.parametrize("width", [4, 200])
def test_it_is_the_logistic_regression_of_scikit_learn(width):
    features, labels = blobs(90, width, 3)
    solution = solve(features, labels, cross_entropy, zeros(3, width))
    spread = features - features.mean(dim=0)
    squared = float(spread.square().sum(dim=1).mean())
    peer = LogisticRegression(C=1 / (solution.strength * squared * len(labels)), tol=1e-8, max_iter=5000)
    peer.fit(features.numpy(), labels.numpy())
    expected = torch.tensor(peer.predict_proba(features.numpy()), dtype=torch.float32)
    logits = features @ solution.weight.T + solution.bias
    torch.testing.assert_close(logits.softmax(dim=1), expected, atol=2e-3, rtol=0)


def test_noise_gets_a_strong_penalty_and_structure_a_weak_one():
    features, labels = blobs(60, 50, 2)
    noise = torch.randn(60, 50, generator=torch.Generator().manual_seed(1))
    strong = solve(noise, labels, cross_entropy, zeros(2, 50))
    weak = solve(features, labels, cross_entropy, zeros(2, 50))
    assert strong.strength == STRENGTHS[0]
    assert weak.strength < STRENGTHS[0]
    assert strong.accuracy < 0.7 < 0.9 < weak.accuracy


def test_fewer_than_three_images_a_class_take_the_fixed_strength():
    features, labels = blobs(8, 20, 4)
    solution = solve(features, labels, cross_entropy, zeros(4, 20))
    assert (solution.strength, solution.accuracy) == (FIXED_STRENGTH, None)


def test_rows_that_are_kept_keep_every_bit_and_count_in_the_loss():
    features, labels = blobs(90, 10, 3)
    start = torch.randn(3, 10, generator=torch.Generator().manual_seed(2)), torch.tensor([0.5, -0.5, 0.0])
    solution = solve(features, labels, cross_entropy, start, torch.tensor([2]))
    assert torch.equal(solution.weight[:2], start[0][:2])
    assert torch.equal(solution.bias[:2], start[1][:2])
    before = cross_entropy(features @ start[0].T + start[1], labels)
    assert cross_entropy(features @ solution.weight.T + solution.bias, labels) < before


def test_a_layer_without_bias_is_solved_without_one():
    features, labels = blobs(90, 10, 3)
    solution = solve(features, labels, cross_entropy, (torch.zeros(3, 10), None))
    assert not solution.bias.any()
    assert (features @ solution.weight.T).argmax(dim=1).eq(labels).float().mean() > 0.9


def test_a_class_weight_moves_the_border():
    features, labels = blobs(200, 2, 2)
    features = features / 10  # the classes overlap
    shares = []
    for weight in (0.1, 10.0):
        loss = partial(cross_entropy, weight=torch.tensor([1.0, weight]))
        solution = solve(features, labels, loss, zeros(2, 2))
        shares.append(float((features @ solution.weight.T + solution.bias).argmax(dim=1).float().mean()))
    assert shares[0] < shares[1]
