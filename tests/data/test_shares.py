"""What each process serves of an epoch."""

from __future__ import annotations

import pytest
import torch

from zoo.data.loader import Loader
from zoo.data.shares import Shares
from zoo.data.sources import MemorySource


def counted(count, batch, world_size, start=0):
    """Return the positions that count in each batch of all processes, sorted."""
    batches = []
    for number in range(start // batch, len(Shares(count, batch, 0, world_size))):
        positions = []
        for rank in range(world_size):
            shares = Shares(count, batch, rank, world_size)
            own, total = shares.images(number, start)
            positions += shares.positions(number, start).tolist()[:own]
        assert len(positions) == total
        batches.append(sorted(positions))
    return batches


@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 7])
@pytest.mark.parametrize(("count", "batch"), [(17, 8), (64, 16), (18, 8), (5, 5), (2, 2)])
def test_each_batch_has_the_same_images_with_any_number_of_processes(count, batch, world_size):
    assert counted(count, batch, world_size) == counted(count, batch, 1)


@pytest.mark.parametrize("world_size", [1, 3])
def test_a_last_batch_of_one_image_is_left_out(world_size):
    assert len(counted(17, 8, world_size)) == 2


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_an_epoch_goes_on_at_the_same_image_with_another_number_of_processes(world_size):
    whole = [position for batch in counted(50, 8, 1) for position in batch]
    assert [position for batch in counted(50, 8, world_size, start=16) for position in batch] == whole[16:]


def test_a_changed_batch_begins_with_the_rest_of_the_one_that_holds_the_position():
    assert [len(batch) for batch in counted(50, 20, 2, start=16)] == [4, 20, 10]


def test_a_process_without_a_share_repeats_images_that_do_not_count():
    shares = [Shares(10, 8, rank, 3) for rank in range(3)]
    assert [each.images(1) for each in shares] == [(2, 2), (0, 2), (0, 2)]
    assert [each.positions(1).tolist() for each in shares] == [[8, 9]] * 3


def test_every_process_has_as_many_training_batches():
    assert {len(Shares(17, 3, rank, 3)) for rank in range(3)} == {6}


@pytest.mark.parametrize(("count", "world_size"), [(17, 2), (2, 3), (1, 4), (0, 2)])
def test_evaluation_serves_every_image_once_and_no_process_goes_without_a_batch(count, world_size):
    every = [Shares(count, 3 * world_size, rank, world_size, training=False) for rank in range(world_size)]
    served = [position for shares in every for batch in shares.batches() for position in batch.tolist()]
    assert sorted(served) == list(range(count))
    assert all(len(shares) >= 1 for shares in every)


def test_a_loader_of_a_process_without_an_image_serves_an_empty_batch():
    source = MemorySource(torch.zeros(2, 8, 8, 1, dtype=torch.uint8), torch.arange(2))
    [(images, labels)] = Loader(source, 10, rank=2, world_size=3)
    assert images.shape == (0, 8, 8, 1)
    assert len(labels) == 0


def test_a_state_of_two_processes_lets_one_go_on_at_the_same_image():
    source = MemorySource(torch.zeros(50, 8, 8, 1, dtype=torch.uint8), torch.arange(50))
    options = {"shuffle": True, "global_batch": 10}
    first = iter(stopped := Loader(source, 5, **options, rank=1, world_size=2))
    next(first), next(first)
    resumed = Loader(source, 10, **options)
    resumed.load_state_dict(stopped.state_dict())
    whole = [label for _, labels in Loader(source, 10, **options) for label in labels.tolist()]
    assert [label for _, labels in resumed for label in labels.tolist()] == whole[20:]
    assert stopped.state_dict() == {"epoch": 0, "served": 2, "position": 20, "batch": 10}


def test_a_state_of_an_earlier_version_counts_batches():
    source = MemorySource(torch.zeros(50, 8, 8, 1, dtype=torch.uint8), torch.arange(50))
    loader = Loader(source, 10, shuffle=True)
    loader.load_state_dict({"epoch": 0, "served": 2})
    assert len(list(loader)) == 3
