"""Sources: worker processes that read images."""

from __future__ import annotations

import itertools
import os
import signal

import numpy as np
import pytest
import torch

from zoo.data.sources import StreamSource


def test_a_reading_process_lives_through_ctrl_c(colour_spec):
    """A terminal sends it to every process; the main one decides what happens."""

    class Interrupting:
        def __len__(self):
            return 4

        def __getitem__(self, index):
            os.kill(os.getpid(), signal.SIGINT)
            return np.full((8, 8, 3), index, np.uint8), index

    source = StreamSource(Interrupting(), colour_spec, workers=1, skip_bad=False)
    [(_, labels)] = source.fetch([torch.arange(4)])
    assert labels.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("taken", [1, 4])
def test_training_keeps_its_reading_processes_from_epoch_to_epoch(colour_spec, taken):
    """Also behind an epoch that ended early, whose next batches were being read."""

    class Numbered:
        def __len__(self):
            return 8

        def __getitem__(self, index):
            return np.full((8, 8, 3), index, np.uint8), os.getpid()

    source = StreamSource(Numbered(), colour_spec, workers=2, skip_bad=False).for_training()
    processes = set()
    for order in (torch.arange(8), torch.arange(7, -1, -1), torch.arange(8)):
        wanted = order.split(2)
        for indices, (images, labels) in itertools.islice(zip(wanted, source.fetch(wanted), strict=True), taken):
            assert images[:, 0, 0, 0].tolist() == indices.tolist()
            processes.update(labels.tolist())
    assert len(processes) == (2 if taken > 1 else 1)
    assert os.getpid() not in processes
