"""The built-in data sets: their files, their downloads, their faults."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets as published

import zoo
from zoo.core.errors import DownloadError, NoSplitError
from zoo.datasets import cifar, mnist


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()


def mnist_files(count: int = 20) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    files = {}
    for prefix in ("train", "t10k"):
        files[f"{prefix}-images-idx3-ubyte"] = idx(rng.integers(0, 256, (count, 28, 28)))
        files[f"{prefix}-labels-idx1-ubyte"] = idx(np.arange(count) % 10)
    return files


def put(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture
def offer_mnist(server, monkeypatch):
    """Serve small MNIST files, their checksums in place of the publisher's."""
    folder, address = server
    packed = {f"{name}.gz": gzip.compress(content) for name, content in mnist_files().items()}
    put(folder, packed)
    monkeypatch.setattr(published.MNIST, "mirrors", [address])
    sums = [(name, hashlib.md5(content).hexdigest()) for name, content in packed.items()]
    monkeypatch.setattr(published.MNIST, "resources", sums)
    return folder


def test_digits_needs_no_file_and_has_every_image_in_one_split():
    train, test = (zoo.create_dataset("digits", "/nonexistent", split) for split in ("train", "test"))
    assert len(train) + len(test) == 1797
    assert train.images.shape[1:] == (8, 8, 1)
    assert (train.images.min(), train.images.max()) == (0, 255)
    assert np.bincount(test.labels).min() >= 34
    rows = {image.tobytes() for image in train.images} & {image.tobytes() for image in test.images}
    assert not rows


@pytest.mark.parametrize("name", ["digits", "mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_a_data_set_without_val_says_so(name, tmp_path):
    with pytest.raises(NoSplitError, match="no val split"):
        zoo.create_dataset(name, tmp_path, "val")


@pytest.mark.parametrize("packed", [False, True])
def test_mnist_files_in_the_root_are_used_plain_or_gzipped(tmp_path, packed):
    files = mnist_files()
    if packed:
        files = {f"{name}.gz": gzip.compress(content) for name, content in files.items()}
    put(tmp_path / "MNIST" / "raw", files)
    train = zoo.create_dataset("mnist", tmp_path, "train")
    assert train.images.shape == (20, 28, 28, 1)
    assert train.labels.tolist() == [*range(10), *range(10)]


def test_fashion_mnist_finds_debians_files(tmp_path, monkeypatch):
    debian = tmp_path / "debian"
    put(debian, {f"{name}.gz": gzip.compress(content) for name, content in mnist_files().items()})
    monkeypatch.setattr(mnist, "DEBIAN_FASHION_MNIST", debian)
    dataset = zoo.create_dataset("fashion_mnist", tmp_path / "root", "test")
    assert len(dataset) == 20
    assert dataset.classes[9] == "Ankle boot"


def test_a_download_is_verified_and_kept(offer_mnist, tmp_path):
    root = tmp_path / "root"
    assert len(zoo.create_dataset("mnist", root, "train")) == 20
    for path in offer_mnist.iterdir():
        path.unlink()
    assert len(zoo.create_dataset("mnist", root, "train")) == 20
    assert sorted(path.name for path in (root / "MNIST" / "raw").iterdir()) == [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    ]


def test_a_download_with_another_checksum_is_never_opened(offer_mnist, tmp_path):
    (offer_mnist / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"something else"))
    with pytest.raises(DownloadError, match="does not match its checksum md5:"):
        zoo.create_dataset("mnist", tmp_path / "root", "train")
    assert not list((tmp_path / "root").rglob("*.*"))


def test_without_a_network_the_error_names_url_size_and_place(tmp_path, monkeypatch):
    monkeypatch.setattr(published.MNIST, "mirrors", ["http://127.0.0.1:9/mnist/"])
    with pytest.raises(DownloadError) as caught:
        zoo.create_dataset("mnist", tmp_path, "train")
    place = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    for part in ("http://127.0.0.1:9/mnist/train-images-idx3-ubyte.gz", "9.9 MB", f"put it at {place}"):
        assert part in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x00\x00\x08\x03", b"text", idx(np.zeros((20, 28, 28)))[:-1]])
def test_a_damaged_idx_file_is_named(tmp_path, content):
    put(tmp_path / "MNIST" / "raw", mnist_files() | {"train-images-idx3-ubyte": content})
    with pytest.raises(DownloadError, match="train-images-idx3-ubyte: not a whole idx file"):
        zoo.create_dataset("mnist", tmp_path, "train")


def test_a_gzipped_bomb_is_read_no_further_than_any_file_of_the_data_set(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "MAX_BYTES", 1_000)
    put(tmp_path / "MNIST" / "raw", mnist_files() | {"train-images-idx3-ubyte.gz": gzip.compress(bytes(10**7))})
    (tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte").unlink(missing_ok=True)
    with pytest.raises(DownloadError, match=r"not a whole idx file of bytes \(1000 bytes\)"):
        zoo.create_dataset("mnist", tmp_path, "train")


def test_a_damaged_gzip_file_is_named(tmp_path):
    damaged = bytearray(gzip.compress(bytes(range(256)) * 100))
    damaged[20:40] = bytes(20)
    put(tmp_path / "MNIST" / "raw", {"train-images-idx3-ubyte.gz": bytes(damaged)})
    with pytest.raises(DownloadError, match=r"train-images-idx3-ubyte\.gz: cannot be read"):
        zoo.create_dataset("mnist", tmp_path, "train")


def cifar_files(count: int = 4) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    batch = {"data": rng.integers(0, 256, (count, 3072), np.uint8), "labels": list(range(count))}
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    meta = {"label_names": list("abcdefghij")}
    return {name: pickle.dumps(batch, 2) for name in names} | {"batches.meta": pickle.dumps(meta, 2)}


def cifar_archive(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def test_cifar_files_in_the_root_are_used_as_they_are(tmp_path):
    files = cifar_files()
    put(tmp_path / "cifar-10-batches-py", files)
    train = zoo.create_dataset("cifar10", tmp_path, "train")
    assert train.images.shape == (20, 32, 32, 3)
    first = pickle.loads(files["data_batch_1"])["data"][0]
    np.testing.assert_array_equal(train.images[0], first.reshape(3, 32, 32).transpose(1, 2, 0))


def test_cifar_is_downloaded_verified_and_unpacked(server, tmp_path, monkeypatch):
    folder, address = server
    archive = cifar_archive(cifar_files())
    put(folder, {"cifar-10-python.tar.gz": archive})
    monkeypatch.setattr(published.CIFAR10, "url", f"{address}cifar-10-python.tar.gz")
    monkeypatch.setattr(published.CIFAR10, "tgz_md5", hashlib.md5(archive).hexdigest())
    assert len(zoo.create_dataset("cifar10", tmp_path / "root", "test")) == 4
    assert (tmp_path / "root" / "cifar-10-batches-py" / "test_batch").exists()


def test_a_pickle_that_asks_for_more_than_arrays_runs_nothing(tmp_path):
    class Payload:
        def __reduce__(self):
            return Path.touch, (tmp_path / "pwned",)

    put(tmp_path / "cifar-10-batches-py", cifar_files() | {"test_batch": pickle.dumps(Payload())})
    with pytest.raises(DownloadError, match="test_batch: not a batch of CIFAR"):
        zoo.create_dataset("cifar10", tmp_path, "test")
    assert not (tmp_path / "pwned").exists()


def test_an_archive_whose_member_is_a_link_is_refused(tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(stream.getvalue())
    with pytest.raises(DownloadError, match="cannot be unpacked"):
        zoo.create_dataset("cifar10", tmp_path, "train")
    assert not (tmp_path / "cifar-10-batches-py").exists()


def test_an_archive_that_unpacks_to_more_than_its_data_set_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar, "MAX_ARCHIVE_BYTES", 50_000)
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(cifar_archive({"bomb": bytes(60_000)} | cifar_files()))
    with pytest.raises(DownloadError, match="its files have more than 50,000 bytes"):
        zoo.create_dataset("cifar10", tmp_path, "train")


@pytest.mark.parametrize(
    ("name", "train", "test", "mean"),
    [("mnist", 60_000, 10_000, 0.1307), ("fashion_mnist", 60_000, 10_000, 0.2860), ("cifar10", 50_000, 10_000, None)],
)
def test_real_data_has_its_published_size_and_mean(real_data, name, train, test, mean):
    dataset = zoo.create_dataset(name, real_data, "train")
    assert (len(dataset), len(zoo.create_dataset(name, real_data, "test"))) == (train, test)
    assert len(dataset.classes) == 10
    if mean is not None:
        assert dataset.images.mean() / 255 == pytest.approx(mean, abs=1e-4)
        assert dataset.mean == pytest.approx((mean,), abs=1e-4)
        assert dataset.images.std() / 255 == pytest.approx(dataset.std[0], abs=1e-4)
