"""CIFAR-10 and CIFAR-100: pickled batches, read by an unpickler that runs no code of theirs."""

from __future__ import annotations

import pickle
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np

from zoo.core.download import RemoteFile, fetch, one_process
from zoo.core.errors import DownloadError, NoSplitError
from zoo.core.whole_file import publish
from zoo.data.arrays import ArrayDataset

#: Limit of what an archive unpacks to; CIFAR's have 186 million bytes.
MAX_ARCHIVE_BYTES = 1_000_000_000


def cifar10(root: Path, split: Literal["train", "val", "test"]) -> ArrayDataset:
    """Ten kinds of things, 32x32 RGB: 50,000 for training, 10,000 for testing.

    Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009),
    https://www.cs.toronto.edu/~kriz/cifar.html

    Args:
        root: the files are in ``root/cifar-10-batches-py``, or unpacked there from ``root/cifar-10-python.tar.gz``,
            which is downloaded if it is missing.
        split: ``train`` or ``test``.

    Raises:
        NoSplitError: for ``val``.
        DownloadError: the files are missing and cannot be downloaded, or are damaged.
    """
    from torchvision.datasets import CIFAR10

    names = [name for name, _ in (CIFAR10.train_list if split == "train" else CIFAR10.test_list)]
    images, labels, classes = _read_split(root, split, CIFAR10, names, "170 MB")
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    return ArrayDataset(images, labels, classes, mean=mean, std=std, augmentation="crop_flip")


def cifar100(root: Path, split: Literal["train", "val", "test"]) -> ArrayDataset:
    """A hundred kinds of things (the fine labels), 32x32 RGB: 50,000 for training, 10,000 for testing.

    Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009),
    https://www.cs.toronto.edu/~kriz/cifar.html

    Args:
        root: the files are in ``root/cifar-100-python``, or unpacked there from ``root/cifar-100-python.tar.gz``,
            which is downloaded if it is missing.
        split: ``train`` or ``test``.

    Raises:
        NoSplitError: for ``val``.
        DownloadError: the files are missing and cannot be downloaded, or are damaged.
    """
    from torchvision.datasets import CIFAR100

    names = [name for name, _ in (CIFAR100.train_list if split == "train" else CIFAR100.test_list)]
    images, labels, classes = _read_split(root, split, CIFAR100, names, "169 MB")
    mean, std = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
    return ArrayDataset(images, labels, classes, mean=mean, std=std, augmentation="crop_flip")


def _read_split(
    root: Path, split: str, published: Any, names: Sequence[str], size: str
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return images uint8 ``(count, 32, 32, 3)``, labels int64 ``(count,)`` and class names of a split.

    Args:
        root: the data root.
        split: ``train``, ``val`` or ``test``.
        published: torchvision's class of the data set, for its address, checksum and file names.
        names: files of the split.
        size: of the archive, shown to people.
    """
    if split == "val":
        raise NoSplitError(split)
    folder = root / published.base_folder
    all_names = [name for name, _ in published.train_list + published.test_list] + [published.meta["filename"]]
    if not all((folder / name).exists() for name in all_names):
        archive = fetch(RemoteFile([published.url], f"md5:{published.tgz_md5}", size), root / published.filename)
        _unpack(archive, folder, all_names)
    batches = [_unpickle(folder / name) for name in names]
    try:
        pixels = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
        labels = np.concatenate([batch["labels" if "labels" in batch else "fine_labels"] for batch in batches])
        classes = list(_unpickle(folder / published.meta["filename"])[published.meta["key"]])
    except (KeyError, ValueError, TypeError) as error:
        raise DownloadError(f"{folder}: not CIFAR's batches ({error!r}); remove the folder and start again") from error
    return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1), np.uint8), labels.astype(np.int64), classes


def _unpack(archive: Path, folder: Path, names: Sequence[str]) -> None:
    """Unpack some files of an archive into a folder; each appears whole or not at all.

    Raises:
        DownloadError: the archive is damaged or unpacks to over MAX_ARCHIVE_BYTES, or a member is missing or a link.
    """
    try:
        with tarfile.open(archive) as tar:
            held = _members(tar)
            members = [held[f"{folder.name}/{name}"] for name in names]
            for member in members:
                if not member.isreg():
                    raise KeyError(f"{member.name} is a link")
            folder.mkdir(exist_ok=True)
            for name, member in zip(names, members, strict=True):
                content = cast(IO[bytes], tar.extractfile(member))  # a regular file's is never None
                with one_process(folder / name) as part:
                    if not (folder / name).exists():
                        with part.open("wb") as file:
                            file.write(content.read())
                            publish(file, folder / name)
    except (OSError, EOFError, KeyError, tarfile.TarError, zlib.error) as error:
        raise DownloadError(f"{archive}: cannot be unpacked: {error}; remove it to have it downloaded again") from error


def _members(tar: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """Return the members by name; KeyError where they unpack to more than an archive of CIFAR ever does."""
    members, size = {}, 0
    for member in tar:  # the next one is looked for behind the content of this one, which is decompressed for that
        size += member.size
        if size > MAX_ARCHIVE_BYTES:
            raise KeyError(f"its files have more than {MAX_ARCHIVE_BYTES:,} bytes")
        members[member.name] = member
    return members


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that refuses every global except those of a pickled numpy array."""

    ALLOWED = frozenset(
        [
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
        ]
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        if module == "numpy.core.multiarray":  # its name before numpy 2; importing that one warns
            module = "numpy._core.multiarray"
        return super().find_class(module, name)


def _unpickle(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = _ArraysOnly(file, encoding="latin1").load()
    except (OSError, EOFError, ValueError, ImportError, AttributeError, IndexError, pickle.UnpicklingError) as error:
        raise DownloadError(f"{path}: not a batch of CIFAR ({error}); remove its folder and start again") from error
    if not isinstance(content, dict):
        raise DownloadError(f"{path}: not a batch of CIFAR (a {type(content).__name__}); remove its folder")
    return content
