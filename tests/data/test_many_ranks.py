"""64 processes serve an epoch as one would: each image once, in the same order of steps."""

import torch

from zoo.data.augmentation import Augmentation
from zoo.data.loader import Loader
from zoo.data.sources import MemorySource

RANKS, COUNT = 64, 5_003


def served(rank, epoch, ranks=RANKS, batch_size=4):
    """Return the images of each step of one process; an image's label is its number."""
    source = MemorySource(torch.zeros(COUNT, 1, 1, 1, dtype=torch.uint8), torch.arange(COUNT))
    options = {"augmentation": Augmentation(flip=True), "shuffle": True, "seed": 0}
    loader = Loader(source, batch_size, rank=rank, world_size=ranks, **options)
    loader.sampler.set_epoch(epoch)
    return [labels for _, labels in loader]


def test_no_image_is_served_twice_and_none_is_lost():
    shares = [served(rank, epoch=1) for rank in range(RANKS)]

    assert {len(steps) for steps in shares} == {-(-COUNT // (4 * RANKS))}
    assert torch.equal(torch.cat([torch.cat(steps) for steps in shares]).sort().values, torch.arange(COUNT))


def test_the_processes_together_take_the_steps_of_one():
    shares = [served(rank, epoch=2) for rank in range(RANKS)]

    for number, batch in enumerate(served(0, epoch=2, ranks=1, batch_size=4 * RANKS)):
        together = torch.cat([steps[number] for steps in shares])
        assert torch.equal(together.sort().values, batch.sort().values)
