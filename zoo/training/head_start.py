"""HeadStart: before the first epoch, solves the last layer on the features that the other layers give.

training images ──► network, evaluating ──► features of the last layer ──► head_solver ──► its first weights
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from zoo.core.console import print_stderr
from zoo.data.datamodule import ImageDataModule
from zoo.data.feature_source import FeatureSource
from zoo.data.item_reader import BAD
from zoo.models.head import Head
from zoo.training.epoch_metrics import SolvedFigures
from zoo.training.head_solver import solve
from zoo.training.loss import Loss
from zoo.training.task import ImageClassifier

#: How the last layer starts: solved, at zero, or with the random weights that the network itself draws.
Start = Literal["solve", "zero", "fresh"]

#: Training images on whose features a head is solved that trains on.
SOLVED_ON = 5_000


class HeadStart(Callback):
    """Sets the first weights of the last layer, and prints in one line how long that took and how good it is.

    Args:
        head: the last layer.
        classes: labels of the classes whose rows it sets; the others keep theirs.
        solved: whether it solves them; else they are zero.
        whole: solve on all training images, not on SOLVED_ON at most.
        quiet: print nothing.

    Attributes:
        figures: of the solved head.
    """

    def __init__(self, head: Head, classes: Sequence[int], *, solved: bool, whole: bool, quiet: bool = False) -> None:
        self.head, self.classes, self.solved, self.whole, self.quiet = head, classes, solved, whole, quiet
        self.figures: SolvedFigures | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the weights: the first process computes them for all."""
        data = trainer.datamodule  # type: ignore[attr-defined]  # set by a connector
        if not isinstance(pl_module, ImageClassifier) or not isinstance(data, ImageDataModule):
            return
        weight, bias = self.head.weight.float(), self.head.bias
        rows = torch.tensor(self.classes, device=weight.device)
        values = weight.index_fill(0, rows, 0.0), None if bias is None else bias.float().index_fill(0, rows, 0.0)
        if self.solved and trainer.is_global_zero:
            values = self._solve(trainer, pl_module, data, values, rows)
        self.head.set(*trainer.strategy.broadcast(values))

    def _solve(
        self,
        trainer: Trainer,
        classifier: ImageClassifier,
        data: ImageDataModule,
        first: tuple[Tensor, Tensor | None],
        rows: Tensor,
    ) -> tuple[Tensor, Tensor | None]:
        """Return weight and bias, solved for some classes."""
        begin, head = time.perf_counter(), self.head
        every = data.train_labels()
        fitting = int(data.memory_bytes // (4 * head.width))
        chosen = evenly_by_class(every, min(fitting, len(every) if self.whole else SOLVED_ON))
        with trainer.precision_plugin.forward_context():
            features, labels = _features(classifier, head, data, chosen)
        computed = time.perf_counter()
        loss = _loss(classifier.loss, every, labels, data.balanced).to(features.device)
        solution = solve(features, labels, loss, first, rows)
        logits = features @ solution.weight.T + solution.bias
        correct = int((logits.argmax(dim=1) == labels).sum())
        done = time.perf_counter()
        self.figures = SolvedFigures(float(loss(logits, labels)), correct, len(labels), done - begin)
        if not self.quiet:
            judged = f"{correct / len(labels):.1%} of them correct"
            if solution.accuracy is not None:
                judged = f"accuracy {solution.accuracy:.1%} by cross-validation"
            print_stderr(
                f"the last layer, {head.name}, was solved on {len(labels):,} training images ({computed - begin:.1f} s "
                f"for their features, {done - computed:.1f} s to solve): {judged}, strength {solution.strength:g}"
            )
        return solution.weight, None if first[1] is None else solution.bias


def evenly_by_class(labels: Tensor, count: int) -> Tensor:
    """Return the indices, sorted, of up to ``count`` images, of each class equally many as far as it has them.

    Args:
        labels: int64 ``(images,)``; BAD ones are left out.
        count: at most so many.
    """
    good = (labels != BAD).nonzero().flatten()
    drawn = good[torch.randperm(len(good), generator=torch.Generator().manual_seed(0))]
    drawn = drawn[labels[drawn].argsort(stable=True)]
    sizes = torch.bincount(labels[drawn])
    firsts = (sizes.cumsum(0) - sizes)[labels[drawn]]
    rank = torch.arange(len(drawn)) - firsts  # 0, 1, ... within each class
    return drawn[rank.argsort(stable=True)[:count]].sort().values


def _features(classifier: ImageClassifier, head: Head, data: ImageDataModule, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Return features float32 ``(count, width)`` and labels of training images, on the network's device."""
    training, features, labels = classifier.training, [], []
    classifier.eval()
    source = data.source("train")
    if isinstance(source, FeatureSource) and source.views > 1:  # it is solved for images as they are
        source = source.original
    for images, batch_labels in source.fetch(list(torch.split(chosen, data.batch_size))):
        good = batch_labels != BAD
        if good.any():
            compute = partial(classifier.logits, images[good].to(classifier.device))
            features.append(head.inputs(compute).float())
            labels.append(batch_labels[good])
    classifier.train(training)
    return torch.cat(features), torch.cat(labels).to(classifier.device)


def _loss(loss: Loss, every: Tensor, labels: Tensor, balanced: bool) -> Loss:
    """Return the training's loss with weights by which the chosen images count as all images of training do.

    Args:
        loss: of the training.
        every: labels of all training images.
        labels: of the chosen ones.
        balanced: whether training serves each class equally often.
    """
    classes = len(loss.spec.classes)
    shares = torch.bincount(every[every != BAD], minlength=classes).double()
    if balanced:
        shares = (shares > 0).double()
    counts = torch.bincount(labels.cpu(), minlength=classes).double()
    weights = torch.where(counts > 0, shares / shares.sum() * counts.sum() / counts.clamp(min=1), 0.0)
    if loss.class_weights is not None:
        weights = weights * loss.class_weights.cpu().double()
    return Loss(loss.recorded, loss.label_smoothing, weights.tolist(), loss.spec)
