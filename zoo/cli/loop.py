"""The training loop that a careful user writes by hand, which zoo is compared with; it imports torch alone."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn


def train_by_hand(
    network: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor, batch_size: int, batches: int
) -> float:
    """Train with cross-entropy: a fresh permutation each epoch, nothing logged and nothing saved.

    Args:
        network: on the device of the images.
        optimizer: of its parameters.
        images: float32 ``(count, channels, height, width)``, normalised, all of the training split.
        labels: int64 ``(count,)``.
        batch_size: images in a step.
        batches: steps, of as many epochs as they take.

    Returns:
        Images per second.
    """
    count, done, begin = 0, 0, time.perf_counter()
    while done < batches:
        for rows in torch.split(torch.randperm(len(labels)), batch_size)[: batches - done]:
            optimizer.zero_grad()
            torch.autograd.backward(nn.functional.cross_entropy(network(images[rows]), labels[rows]))
            optimizer.step()
            count, done = count + len(rows), done + 1
    return count / (time.perf_counter() - begin)
