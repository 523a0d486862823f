"""MNIST and Fashion-MNIST: four idx files, plain or gzipped."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from zoo.core.download import RemoteFile, fetch
from zoo.core.errors import DownloadError, NoSplitError
from zoo.data.arrays import ArrayDataset

#: Where Debian's package dataset-fashion-mnist puts its files.
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")

#: Sizes of the files, shown to people: training images, training labels, test images, test labels.
MNIST_SIZES = ("9.9 MB", "29 kB", "1.6 MB", "5 kB")
FASHION_MNIST_SIZES = ("26 MB", "30 kB", "4.4 MB", "5 kB")

#: No file of these data sets is so large: 60,000 images of 28 by 28 pixels are 47 million bytes.
MAX_BYTES = 64 * 2**20


def mnist(root: Path, split: Literal["train", "val", "test"]) -> ArrayDataset:
    """Handwritten digits, 28x28 grey: 60,000 for training, 10,000 for testing.

    Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits" (1998),
    http://yann.lecun.com/exdb/mnist/

    Args:
        root: the files are in ``root/MNIST/raw``, gzipped or not; missing ones are downloaded there.
        split: ``train`` or ``test``.

    Raises:
        NoSplitError: for ``val``.
        DownloadError: a file is missing and cannot be downloaded, or is damaged.
    """
    from torchvision.datasets import MNIST

    images, labels = _read_split([root / "MNIST" / "raw"], split, MNIST, MNIST_SIZES)
    return ArrayDataset(images, labels, [str(digit) for digit in range(10)], mean=(0.1307,), std=(0.3081,))


def fashion_mnist(root: Path, split: Literal["train", "val", "test"]) -> ArrayDataset:
    """Ten kinds of clothing, 28x28 grey: 60,000 for training, 10,000 for testing.

    Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms" (2017), https://arxiv.org/abs/1708.07747

    Args:
        root: the files are in ``root/FashionMNIST/raw``, gzipped or not, or where Debian's package
            dataset-fashion-mnist puts them; missing ones are downloaded to the former.
        split: ``train`` or ``test``.

    Raises:
        NoSplitError: for ``val``.
        DownloadError: a file is missing and cannot be downloaded, or is damaged.
    """
    from torchvision.datasets import FashionMNIST

    folders = [root / "FashionMNIST" / "raw", DEBIAN_FASHION_MNIST]
    images, labels = _read_split(folders, split, FashionMNIST, FASHION_MNIST_SIZES)
    return ArrayDataset(images, labels, FashionMNIST.classes, mean=(0.2860,), std=(0.3530,))


def _read_split(
    folders: Sequence[Path], split: str, published: Any, sizes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return images uint8 ``(count, 28, 28, 1)`` and labels int64 ``(count,)`` of a split.

    Args:
        folders: searched in this order; missing files are downloaded to the first.
        split: ``train``, ``val`` or ``test``.
        published: torchvision's class of the data set, for its addresses, file names and checksums.
        sizes: of its files, in their order, shown to people.
    """
    if split == "val":
        raise NoSplitError(split)
    prefix = "train" if split == "train" else "t10k"
    arrays = {}
    for (file_name, md5), size in zip(published.resources, sizes, strict=True):
        if file_name.startswith(prefix):
            kind = "images" if "images" in file_name else "labels"
            remote = RemoteFile([mirror + file_name for mirror in published.mirrors], f"md5:{md5}", size)
            arrays[kind] = _read_idx(_locate(folders, file_name, remote))
    if len(arrays["images"]) != len(arrays["labels"]):
        raise DownloadError(
            f"{folders[0]}: {len(arrays['images'])} images but {len(arrays['labels'])} labels in the {split} files; "
            "remove both to have them downloaded again"
        )
    return arrays["images"][..., None], arrays["labels"].astype(np.int64)


def _locate(folders: Sequence[Path], file_name: str, remote: RemoteFile) -> Path:
    """Return a file of the first folder that has it, plain or gzipped; else download it to the first folder."""
    for folder in folders:
        for name in (file_name.removesuffix(".gz"), file_name):
            if (folder / name).exists():
                return folder / name
    return fetch(remote, folders[0] / file_name)


def _read_idx(path: Path) -> np.ndarray:
    """Return the content of an idx file: 0x0000080n, n big-endian sizes, unsigned bytes."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(MAX_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise DownloadError(f"{path}: cannot be read: {error}; remove it to have it downloaded again") from error
    axes = data[3] if len(data) > 4 and data[:3] == b"\x00\x00\x08" else 0
    shape = [int(size) for size in np.frombuffer(data, ">u4", axes, 4)] if len(data) >= 4 + 4 * axes else []
    if not axes or len(data) != 4 + 4 * axes + int(np.prod(shape)):
        raise DownloadError(
            f"{path}: not a whole idx file of bytes ({len(data)} bytes); remove it to have it downloaded again"
        )
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)
