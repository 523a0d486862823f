"""Where batches are made changes no bit of them, and making them on another device waits for nothing."""

import pytest
import torch
from PIL import Image

from zoo.data.augmentation import Augmentation
from zoo.data.image_data import ImageData
from zoo.data.item_reader import BAD
from zoo.data.loader import Loader
from zoo.data.placement import default_workers, may_move, place
from zoo.data.sources import MemorySource, StreamSource


@pytest.fixture
def source():
    images = torch.randint(256, (50, 8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return MemorySource(images, torch.arange(50) % 7, torch.arange(2, 44))


def batches(source):
    return list(Loader(source, 8, augmentation=Augmentation(pad=1 / 8, flip=True), shuffle=True, seed=3))


def test_a_source_that_moved_serves_the_same_batches(source):
    moved = source.on(torch.device("cpu"))

    for (images, labels), (others, numbers) in zip(batches(source), batches(moved), strict=True):
        assert torch.equal(images, others)
        assert torch.equal(labels, numbers)


def test_batches_on_another_device_wait_for_no_value(source):
    # A tensor on the meta device has no values: asking for one raises.
    served = batches(source.on(torch.device("meta")))

    assert [tuple(images.shape) for images, _ in served] == [(8, 8, 8, 3)] * 5 + [(2, 8, 8, 3)]
    assert {images.device.type for images, _ in served} == {"meta"}


def test_a_source_moves_once_however_often_a_loader_is_made(source):
    assert source.on(torch.device("meta")) is source.on(torch.device("meta"))


@pytest.mark.parametrize(("limit", "fits"), [(42 * 8 * 8 * 3, True), (42 * 8 * 8 * 3 - 1, False)])
def test_a_source_moves_where_it_fits(source, limit, fits):
    assert may_move(source, limit) is fits


def test_a_source_with_a_damaged_image_stays(source):
    source.labels[5] = BAD

    assert not may_move(source, 1e9)


def test_a_gpu_keeps_images_in_its_memory_unless_it_is_told_otherwise(source, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**30, 2**31))
    monkeypatch.setattr(MemorySource, "on", lambda self, device: ("moved", device.type))
    device = torch.device("cuda", 0)

    assert place(Loader(source, 8), device).source == ("moved", "cuda")
    assert place(Loader(source, 8), device, "cpu").source is source
    assert place(Loader(source, 8), torch.device("cpu")).source is source


def test_a_gpu_gets_what_workers_read_in_pinned_memory(tmp_path):
    for number in range(8):
        folder = tmp_path / ("train", "val")[number % 2] / "ab"[number // 4]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9), (number, 0, 0)).save(folder / f"{number}.png")
    data = ImageData("folder", tmp_path, batch_size=2, memory_gib=0, num_workers=0)
    loader = data.loader("train")
    source = loader.source
    assert isinstance(source, StreamSource)

    place(loader, torch.device("cuda", 0))

    assert source._persistent.pin_memory
    assert source._loader().pin_memory


def test_processes_of_a_machine_share_its_cores(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert default_workers() == 8
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert default_workers() == 32
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert default_workers() == 16
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "200")
    assert default_workers() == 1
