"""The splits of a data set: its own where it has them, else drawn from its training images.

builder ──► own train, val, test
               └── missing ones: split.csv of a run, lists, folds, hash of the path, or count ──► items of train
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zoo.core.errors import NoSplitError, UserError
from zoo.data import inspection
from zoo.data.contract import Place, Split, require_classes, require_dataset, require_listed
from zoo.data.groups import group_keys
from zoo.data.new_images import describe_new_images, place_new_images
from zoo.data.sources import Source
from zoo.data.split import SPLIT_SEED, count_split, hash_split, normal_path
from zoo.data.split_file import SplitRow, digests, file_size, fold_order, read_split, relative_paths
from zoo.data.split_notes import changed, equal_files, lacking_classes, outside, seed_remedy
from zoo.data.split_options import SplitOptions

#: Items of the training data set by the split that gets them.
Parts = dict[Split, np.ndarray]

SPLITS: tuple[Split, ...] = ("train", "val", "test")


class DatasetSplits:
    """Opens the splits of a registered data set, and draws those that it does not have.

    Args:
        name: registered name.
        root: the data root.
        rule: how splits are drawn.
        build: opens one of the data set's own splits, or raises NoSplitError.
    """

    def __init__(self, name: str, root: Path, rule: SplitOptions, build: Callable[[Split], Any]) -> None:
        self.name, self.root, self.rule, self._build = name, root, rule, build
        #: Classes that every split must have; None until they are known.
        self.classes: Sequence[str] | None = None
        #: Gives the source of all training items, which has their labels where the data set does not list them.
        self.read_whole: Callable[[], Source | None] = lambda: None
        #: Lines about the splits that a user should read.
        self.notes: list[str] = []
        self._opened: dict[Split, Any] = {}
        self._missing: dict[Split, NoSplitError] = {}

    def opened(self, split: Split) -> Any:
        """Return the data set of one of its own splits; errors as ``ImageData.opened``."""
        if split in self._missing:
            raise self._missing[split]
        if split not in self._opened:
            try:
                dataset = self._build(split)
            except NoSplitError as error:
                self._missing[split] = error
                raise
            require_dataset(self.name, split, dataset)
            if len(dataset) == 0:
                raise UserError(f"data set '{self.name}' has no image in its {split} split under {self.root}")
            if self.classes is not None:
                require_classes(self.name, split, tuple(map(str, dataset.classes)), self.classes)
            require_listed(self.name, split, dataset)
            self._opened[split] = dataset
        return self._opened[split]

    def any_opened(self) -> Any:
        """Return the data set of a split that is open, else that of ``train``."""
        return next(iter(self._opened.values()), None) or self.opened("train")

    def others(self, dataset: Any) -> list[tuple[Any, Place]]:
        """Return the data sets of the other splits of one's own that can be opened, with their places."""
        for split in SPLITS:
            with suppress(NoSplitError, UserError):
                self.opened(split)
        return [(other, self.place(other)) for other in self._opened.values() if other is not dataset]

    def place(self, dataset: Any) -> Place:
        """Return the place of the items of a data set that is open."""
        [split] = [split for split, opened in self._opened.items() if opened is dataset]
        return Place(self.name, split, len(list(dataset.classes)))

    def items(self, split: Split) -> tuple[Any, np.ndarray | None]:
        """Return the data set that a split's images are in, and which of its items they are; None for all.

        Raises:
            NoSplitError: there is no such split and none is drawn.
            UserError: a split cannot be drawn as the options say; others as ``opened``.
        """
        replaced = self.rule.split is not None or self.rule.folds is not None
        if split == "test" and not replaced and self._has("test"):
            return self.opened("test"), None
        if split in self.parts:
            return self.opened("train"), self.parts[split]
        return self.opened(split), None

    def count(self, split: Split) -> int | None:
        """Return the number of a split's images; None where there is no such split, or its data set is not open yet."""
        images = self.parts.get(split, self._opened.get(split))
        return None if images is None else len(images)

    def paths(self, split: Split) -> list[str] | None:
        """Return the file of each item of a split, in order; None where the data set has no files."""
        dataset, items = self.items(split)
        if not hasattr(dataset, "path"):
            return None
        return [str(dataset.path(int(item))) for item in (range(len(dataset)) if items is None else items)]

    @cached_property
    def labels(self) -> np.ndarray:
        """The label of each training item, int64 ``(count,)``, before splits are drawn."""
        train = self.opened("train")
        return inspection.labels(train, self.place(train), None if hasattr(train, "labels") else self.read_whole())

    @cached_property
    def keys(self) -> list[str] | None:
        """The paths of all training items as they are hashed and compared; None where there are no files."""
        train = self.opened("train")
        return [normal_path(path) for path in relative_paths(train, self.root)] if hasattr(train, "path") else None

    @cached_property
    def rows(self) -> dict[str, SplitRow]:
        """What ``rule.split`` says of each image, by its path; empty where there is none."""
        return {} if self.rule.split is None else read_split(self.rule.split)

    @cached_property
    def parts(self) -> Parts:
        """Items of the training data set for each split that is drawn from it; empty where nothing is drawn.

        Raises:
            UserError: a split gets no image, or there are no files where files are needed.
        """
        rule, train = self.rule, self.opened("train")
        self._note_unused()
        if self.keys is None and (rule.group is not None or rule.split is not None):
            option = "group" if rule.group is not None else "split"
            raise UserError(f"data.{option} is '{getattr(rule, option)}', but data set '{self.name}' has no files")
        if rule.split is not None:
            parts = self._listed_parts(self.rows)
        elif any(fractions := self._fractions(train)) or rule.folds is not None:
            parts = self._drawn_parts(fractions)
        else:
            self._note_group("has its own train, val and test")
            return {}
        for split, part in parts.items():
            if len(part) == 0:
                raise UserError(self._too_few(split, parts))
        return parts

    def _note_unused(self) -> None:
        """Say which option, or which split of one's own, has no effect."""
        if (rule := self.rule).split is not None or not (rule.test_fraction or rule.folds) or not self._has("test"):
            return
        count = len(self.opened("test"))
        self.notes.append(
            f"warning: the {count:,} images of the test split are not used: folds are drawn from the training images"
            if rule.folds
            else f"warning: data.test_fraction is {rule.test_fraction}, but the data has a test split of {count:,} "
            "images, which is used"
        )

    def _note_group(self, reason: str) -> None:
        """Say that the option of groups has no effect."""
        if self.rule.group is not None:
            self.notes.append(f"warning: data.group is '{self.rule.group}', but no split is drawn: the data {reason}")

    def _fractions(self, train: Any) -> tuple[float, float]:
        """Return the shares of val and test to draw, 0 for a split that exists; test of folds is not a share."""
        rule, unsplit = self.rule, bool(getattr(train, "unsplit", False))
        if unsplit and rule.split_seed is None and rule.folds is None:
            return 0.1, 0.1
        val = 0.0 if self._has("val") else rule.val_fraction
        if rule.folds is not None or not (unsplit or rule.test_fraction) or self._has("test"):
            return val, 0.0
        return val, rule.test_share

    def _drawn_parts(self, fractions: tuple[float, float]) -> Parts:
        rule, fold, seed = self.rule, self.rule.fold_of, self.rule.split_seed
        labels = self.labels
        if self.keys is not None and seed is not None:
            keys, classes = self._group_keys(self.keys), list(map(str, self.opened("train").classes))
            train, val, test = hash_split(keys, seed, fractions, fold)
            self.notes += lacking_classes(labels, classes, keys, seed, fractions, fold)
        else:
            seed = SPLIT_SEED if seed is None else seed
            train, val, test = count_split(labels, seed, fractions, fold)
        parts: Parts = {"train": train}
        if fractions[0]:
            parts["val"] = val
        if fractions[1] or rule.folds is not None:
            parts["test"] = test
        return parts

    def _group_keys(self, keys: list[str]) -> list[str]:
        return group_keys(self.opened("train"), keys, self.rule.group)

    def _listed_parts(self, rows: Mapping[str, SplitRow]) -> Parts:
        """Return the parts that a run, a table or lists say; val is drawn where neither they nor the data has it."""
        keys, rule = self.keys or [], self.rule
        listed = [rows.get(key) for key in keys]
        if not any(listed):
            raise UserError(
                f"{rule.source}: none of its {len(rows):,} images, such as {next(iter(rows))}, is in the training "
                f"images of '{self.name}' under {self.root}, such as {keys[0]}; paths are relative to the data root"
            )
        placed = self._placed(keys, rows) if rule.new_images == "train" else {}
        self.notes += outside(rule.source, rows, [key for item, key in enumerate(keys) if item not in placed])
        folds = sorted({row.fold for row in rows.values() if row.fold is not None}, key=fold_order)
        if (rule.folds or 0) != len(folds):
            has = f"{len(folds)} folds" if folds else "splits, and no column 'fold'"
            wanted = f"data.folds is {rule.folds}" if rule.folds else "data.folds is not given"
            remedy = f"choose --folds {len(folds)}" if folds else "leave the folds out"
            raise UserError(f"{rule.source} has {has}, but {wanted}; {remedy}")
        names: list[str | None] = [placed.get(item) if row is None else row.split for item, row in enumerate(listed)]
        if folds and rule.fold is not None:
            tested = folds[rule.fold - 1]
            names = [None if row is None else "test" if row.fold == tested else "train" for row in listed]
        parts: Parts = {
            split: np.flatnonzero([name == split for name in names])
            for split in SPLITS
            if split in names or split == "train"
        }
        if "val" in parts or self._has("val"):
            self._note_group(f"has the splits of {rule.source}")
        else:
            own = self._group_keys(keys)
            seed = SPLIT_SEED if rule.split_seed is None else rule.split_seed
            train, val, _ = hash_split([own[item] for item in parts["train"]], seed, (rule.val_fraction, 0.0))
            parts |= {"train": parts["train"][train], "val": parts["train"][val]}
        return parts

    def _placed(self, keys: list[str], rows: Mapping[str, SplitRow]) -> dict[int, Split]:
        """Return the split of each item that is not listed."""
        rule, val = self.rule, 0.0 if self._has("val") else self.rule.val_fraction
        seed = SPLIT_SEED if rule.split_seed is None else rule.split_seed
        placed = place_new_images(self.opened("train"), keys, self._group_keys(keys), rows, seed, val)
        self.notes += describe_new_images(placed, rule.source)
        return placed

    def recorded(self) -> list[SplitRow]:
        """Return what a run records: size and digest of each image in a drawn split; empty where none has files."""
        if self.keys is None or not self.parts:
            return []
        train, labels = self.opened("train"), self.labels
        paths, classes = relative_paths(train, self.root), list(map(str, train.classes))
        rows = []
        for split, part in self.parts.items():
            files = [str(train.path(int(item))) for item in part]
            for item, file, content in zip(part.tolist(), files, digests(files), strict=True):
                rows.append(SplitRow(paths[item], classes[labels[item]], split, file_size(file), content))
        return rows

    def changes(self, splits: Sequence[Split]) -> list[str]:
        """Name the images of splits that are not as the run recorded them, whose split this is."""
        if not self.rows or self.keys is None:
            return []
        train, labels = self.opened("train"), self.labels
        items = [int(item) for split in splits if split in self.parts for item in self.parts[split]]
        files = {self.keys[item]: str(train.path(item)) for item in items}
        classes = {self.keys[item]: str(train.classes[labels[item]]) for item in items}
        return changed(self.rule.source, self.rows, files, classes)

    def equal_files(self) -> list[str]:
        """Name files of equal content in two splits."""
        files: dict[str, list[str]] = {}
        for split in SPLITS:
            with suppress(NoSplitError, UserError):  # said when the split is used
                files[split] = self.paths(split) or []
        return equal_files(files, self.root)

    def _has(self, split: Split) -> bool:
        try:
            self.opened(split)
        except NoSplitError:
            return False
        return True

    def _too_few(self, split: str, parts: Parts) -> str:
        rule, count = self.rule, len(self.opened("train"))
        counts = ", ".join(f"{len(part):,} {name}" for name, part in parts.items())
        if rule.split is not None:
            return f"{rule.source} leaves no {split} image of '{self.name}' ({counts}); list others"
        group = rule.group or getattr(self.opened("train"), "group_column", None)
        of = "" if group is None else f" in {len(set(self._group_keys(self.keys or []))):,} groups by '{group}'"
        fraction = f" to keep data.val_fraction {rule.val_fraction} of them for validation" if split == "val" else ""
        seed = ""
        if self.keys is not None and rule.split_seed is not None:
            fractions = self._fractions(self.opened("train"))
            seed = seed_remedy(self.labels, self._group_keys(self.keys), fractions, rule.fold_of)
        return (
            f"data set '{self.name}' has {count:,} images{of}, too few{fraction} ({counts}); add images, choose other "
            f"fractions, or make splits of your own{seed}"
        )
