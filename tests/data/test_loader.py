"""Loaders: order and augmentation follow from (seed, epoch, position) alone."""

from __future__ import annotations

import pytest
import torch

from zoo.data.augmentation import Augmentation
from zoo.data.loader import Loader
from zoo.data.sources import MemorySource


@pytest.fixture
def source():
    images = torch.randint(0, 256, (105, 8, 8, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return MemorySource(images, torch.arange(105))


def epoch(loader, number=0):
    loader.sampler.set_epoch(number)
    return [(images.clone(), labels.tolist()) for images, labels in loader]


def labels_of(batches):
    return [label for _, labels in batches for label in labels]


def make(source, **options):
    return Loader(
        source, 10, **({"augmentation": Augmentation(pad=1 / 8, flip=True), "shuffle": True, "seed": 7} | options)
    )


def test_an_epoch_serves_every_image_once(source):
    batches = epoch(make(source))
    assert sorted(labels_of(batches)) == list(range(105))
    assert [len(labels) for _, labels in batches] == [10] * 10 + [5]


def test_the_same_seed_and_epoch_give_the_same_pixels(source):
    for (first, a), (second, b) in zip(epoch(make(source), 3), epoch(make(source), 3), strict=True):
        assert a == b
        assert torch.equal(first, second)


def test_another_epoch_or_seed_gives_another_order(source):
    orders = [labels_of(epoch(make(source, seed=seed), number)) for seed, number in [(7, 0), (7, 1), (8, 0)]]
    assert orders[0] != orders[1]
    assert orders[0] != orders[2]


def test_the_global_generator_is_left_alone(source):
    before = torch.get_rng_state()
    epoch(make(source))
    assert torch.equal(before, torch.get_rng_state())


def test_evaluation_serves_images_in_order_as_they_are(source):
    batches = epoch(make(source, augmentation=None, shuffle=False), 5)
    assert labels_of(batches) == list(range(105))
    assert torch.equal(torch.cat([images for images, _ in batches]), source.images)


@pytest.mark.parametrize("served", [1, 5, 10])
def test_a_resumed_epoch_serves_the_rest_with_the_same_pixels(source, served):
    whole = epoch(make(source), 2)
    stopped = make(source)
    stopped.sampler.set_epoch(2)
    iterator = iter(stopped)
    for _ in range(served):
        next(iterator)
    resumed = make(source)
    resumed.load_state_dict(stopped.state_dict())
    rest = epoch(resumed, 2)
    assert len(rest) == len(whole) - served
    for (first, a), (second, b) in zip(whole[served:], rest, strict=True):
        assert a == b
        assert torch.equal(first, second)
    assert len(epoch(resumed, 3)) == len(whole)


def test_a_state_at_the_end_of_an_epoch_starts_the_next_from_its_beginning(source):
    loader = make(source)
    epoch(loader, 2)
    resumed = make(source)
    resumed.load_state_dict(loader.state_dict())
    assert len(epoch(resumed, 3)) == 11


def test_two_processes_serve_what_one_serves(source):
    one = make(source, world_size=1)
    alone = {label: image for images, labels in epoch(one, 1) for image, label in zip(images, labels, strict=True)}
    together = {}
    for rank in range(2):
        for images, labels in epoch(make(source, rank=rank, world_size=2), 1):
            together |= dict(zip(labels, images, strict=True))
    assert len(together) == 105
    assert all(torch.equal(alone[label], image) for label, image in together.items())


def test_evaluation_on_two_processes_repeats_and_drops_nothing(source):
    served = [labels_of(epoch(Loader(source, 10, rank=rank, world_size=2))) for rank in range(2)]
    assert sorted(served[0] + served[1]) == list(range(105))


def test_a_last_batch_of_one_image_is_left_out_of_training(source):
    source = source.subset(torch.arange(101).numpy())
    assert [len(labels) for _, labels in epoch(make(source))] == [10] * 10
    assert len(labels_of(epoch(make(source, shuffle=False)))) == 101
