"""Solves a linear layer on fixed features: regularised logistic regression by L-BFGS.

    features (count, width), labels ──► strength by cross-validation ──► weight (classes, width), bias (classes,)

A head that starts solved leaves the features of pretrained layers as they are, where a random one distorts them:
A. Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution", 2022,
https://arxiv.org/abs/2202.10054.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zoo.images.threads import torch_threads

#: Weights of the sum of squared weights that cross-validation tries, the strongest first; features are scaled so that
#: their mean squared distance from their mean is 1.
STRENGTHS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)

#: The strength where a class has fewer than IMAGES_A_CLASS images on average.
FIXED_STRENGTH, IMAGES_A_CLASS = 1e-3, 3

#: Parts of cross-validation. Fewer of them are held out in turn where all would take more than so many multiplications.
FOLDS, MAX_OPERATIONS = 5, 2e11

#: Passes over the features that one solution takes, about; the most that it may take.
USUAL_PASSES, MAX_PASSES = 15, 200

#: Up to so many numbers one thread solves: several would wait for each other thousands of times.
ONE_THREAD = 2**20

#: The loss, a scalar, of logits ``(batch, classes)`` to labels ``(batch,)``.
LossFunction = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Solution:
    """A solved layer.

    Args:
        weight: floating ``(classes, width)``.
        bias: floating ``(classes,)``.
        strength: weight of the sum of squared weights.
        accuracy: share of images that cross-validation classified correctly while they were held out; None without.
    """

    weight: Tensor
    bias: Tensor
    strength: float
    accuracy: float | None


def solve(
    features: Tensor,
    labels: Tensor,
    loss: LossFunction,
    start: tuple[Tensor, Tensor | None],
    rows: Tensor | None = None,
) -> Solution:
    """Return the weights that minimise the loss on all images plus ``strength / 2`` times their sum of squares.

    Args:
        features: float32 ``(count, width)``.
        labels: int64 ``(count,)``.
        loss: with class weights and label smoothing, where they are wanted.
        start: weight ``(classes, width)`` and bias ``(classes,)``, or None for a layer without bias.
        rows: int64, the classes to solve; the others keep their weights of ``start``. None for all.
    """
    weight, biased = start[0].to(features).clone(), start[1] is not None
    bias = features.new_zeros(len(weight)) if start[1] is None else start[1].to(features).clone()
    rows = torch.arange(len(bias), device=features.device) if rows is None else rows
    others = features @ weight.T + bias
    centre = features.mean(dim=0) if biased else features.new_zeros(features.shape[1])
    scaled = features - centre
    scale = scaled.square().sum(dim=1).mean().sqrt().clamp(min=1e-12)
    scaled = scaled / scale
    basis = None
    if len(scaled) < scaled.shape[1]:  # the solution is a sum of images: fewer numbers describe it
        basis, triangle = torch.linalg.qr(scaled.T)
        scaled = triangle.T
    problem = _Problem(scaled, labels, loss, others, rows, biased)
    with torch_threads(1 if scaled.numel() <= ONE_THREAD else torch.get_num_threads()):
        strength, accuracy = problem.cross_validated()
        own, shift = problem.minimum(problem.zero(), strength)
    own = (own if basis is None else own @ basis.T) / scale
    weight[rows] = own
    bias[rows] = shift - own @ centre
    return Solution(weight, bias, strength, accuracy)


@dataclass(frozen=True)
class _Problem:
    """What is minimised, and on which images.

    Args:
        features: scaled, ``(count, width)``.
        labels: int64 ``(count,)``.
        loss: of logits to labels.
        others: logits ``(count, classes)``, of which those of classes that are not solved count.
        rows: the classes to solve.
        biased: whether they have a bias; else it stays 0.
    """

    features: Tensor
    labels: Tensor
    loss: LossFunction
    others: Tensor
    rows: Tensor
    biased: bool

    def of(self, images: Tensor) -> _Problem:
        """Return the problem of some of the images."""
        return replace(self, features=self.features[images], labels=self.labels[images], others=self.others[images])

    def zero(self) -> tuple[Tensor, Tensor]:
        """Return weights and bias of 0."""
        shape = len(self.rows), self.features.shape[1]
        return self.features.new_zeros(shape), self.features.new_zeros(len(self.rows))

    def logits(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Return logits ``(count, classes)``."""
        own = self.features @ weight.T + bias
        return own if len(self.rows) == self.others.shape[1] else self.others.index_copy(1, self.rows, own)

    def minimum(self, start: tuple[Tensor, Tensor], strength: float) -> tuple[Tensor, Tensor]:
        """Return the weights and the bias that minimise the regularised loss."""
        weight, bias = start[0].clone().requires_grad_(), start[1].clone().requires_grad_(self.biased)
        optimizer = torch.optim.LBFGS(
            [weight, bias] if self.biased else [weight],
            max_iter=MAX_PASSES,
            max_eval=MAX_PASSES,
            tolerance_grad=1e-5,
            tolerance_change=1e-7,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            optimizer.zero_grad()
            value = self.loss(self.logits(weight, bias), self.labels) + strength / 2 * weight.square().sum()
            value.backward()  # type: ignore[no-untyped-call]
            return value

        with torch.enable_grad():
            optimizer.step(closure)  # type: ignore[no-untyped-call]
        return weight.detach(), bias.detach()

    def cross_validated(self) -> tuple[float, float | None]:
        """Return the strength of the lowest loss on images that are held out, and the accuracy on them."""
        count, classes = self.others.shape
        if count < IMAGES_A_CLASS * classes:
            return FIXED_STRENGTH, None
        one = 2 * self.features.numel() * len(self.rows) * USUAL_PASSES * len(STRENGTHS)
        folds = self._folds()
        losses, correct, held_out = [0.0] * len(STRENGTHS), [0] * len(STRENGTHS), 0
        for fold in range(max(1, min(FOLDS, int(MAX_OPERATIONS / one)))):
            inside, outside = (self.of((folds == fold).eq(held).nonzero().flatten()) for held in (False, True))
            values, held_out = self.zero(), held_out + len(outside.labels)
            for place, strength in enumerate(STRENGTHS):
                values = inside.minimum(values, strength)
                logits = outside.logits(*values)
                losses[place] += float(self.loss(logits, outside.labels)) * len(outside.labels)
                correct[place] += int((logits.argmax(dim=1) == outside.labels).sum())
        best = min(range(len(STRENGTHS)), key=losses.__getitem__)
        return STRENGTHS[best], correct[best] / held_out

    def _folds(self) -> Tensor:
        """Return the part of each image, ``(count,)``: the images of each class are dealt out to all parts in turn."""
        drawn = torch.randperm(len(self.labels), generator=torch.Generator().manual_seed(0)).to(self.labels.device)
        dealt = drawn[self.labels[drawn].argsort(stable=True)]
        folds = torch.empty_like(dealt)
        folds[dealt] = torch.arange(len(dealt), device=dealt.device) % FOLDS
        return folds
