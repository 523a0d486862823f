"""How a folder of images is laid out: folders of splits with class folders in them, or class folders alone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.core.errors import UserError
from zoo.data.root import cache_root
from zoo.data.split import SPLIT_NAMES, split_of
from zoo.images.files import ANY, entries_of, find_images, is_folder, suffixes

LAYOUTS = "<root>/train/<class>/*.jpg (with val/ and test/ beside it) or <root>/<class>/*.jpg"

#: What a user may say about a folder that zoo should not have to guess.
LayoutName = Literal["auto", "splits", "classes"]

#: Folders that are never a class: what training leaves in the folder that it runs in, and what systems leave in any.
OUTPUTS = frozenset(["runs", "lightning_logs", "mlruns", "wandb"])
JUNK = frozenset(["__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"])

#: Levels of folders below which a run is looked for: runs/<data>-<architecture>/folds_0/fold_1.
RUN_DEPTH = 3


@dataclass(frozen=True)
class Layout:
    """Which folders hold class folders.

    Args:
        root: the data root.
        splits: the folder of each split; empty where the root has class folders alone.
    """

    root: Path
    splits: Mapping[str, Path]

    @property
    def parents(self) -> list[Path]:
        """The folders that hold class folders."""
        return list(self.splits.values()) or [self.root]

    @property
    def note(self) -> str:
        """One line about what was recognised."""
        if not self.splits:
            return "splits        none in the folder: they are made of the images of all class folders"
        return "splits        " + ", ".join(f"{split} is {path.name}/" for split, path in self.splits.items())


def find_layout(root: Path, layout: LayoutName) -> Layout:
    """Return the layout of a folder.

    Args:
        root: the folder.
        layout: ``splits`` or ``classes`` where the user says which; ``auto`` recognises it.

    Raises:
        UserError: no folder was named, or there is none; two folders are one split, or a folder may be a split or a
            class.
    """
    if root == cache_root():
        raise UserError(f"--data folder needs --data.root FOLDER, your own photographs laid out as {LAYOUTS}")
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; --data.root must name one laid out as {LAYOUTS}")
    if layout == "classes":
        return Layout(root, {})
    folders = visible_folders(root)
    splits = {split: [path for path in folders if split_of(path.name) == split] for split in SPLIT_NAMES}
    # A split holds class folders; a folder of images alone that is called so is a class, or has no labels.
    filled = {
        split: [path for path in paths if layout == "splits" or visible_folders(path)]
        for split, paths in splits.items()
    }
    for split, paths in filled.items():
        if len(paths) > 1:
            raise UserError(
                f"{root} has both {paths[0].name}/ and {paths[1].name}/, which are one split ({split}); keep one"
            )
    chosen = {split: paths[0] for split, paths in filled.items() if paths}
    if layout == "splits":
        if "train" not in chosen:
            raise UserError(f"{root} has no train/; data.dataset.layout splits needs {LAYOUTS}")
        return Layout(root, chosen)
    if not chosen:
        return Layout(root, {})
    others = [path.name for path in folders if split_of(path.name) is None and any(find_images(path, ANY))]
    if "train" not in chosen or (others and len(chosen) == 1):
        raise UserError(_question(root, chosen, others))
    return Layout(root, chosen)


def visible_folders(parent: Path) -> list[Path]:
    """Return the folders in a folder in alphabetical order, without hidden ones and those that are never a class."""
    shown = [entry for entry in entries_of(parent) if not entry.name.startswith(".")]
    folders = sorted(parent / entry.name for entry in shown if is_folder(entry))
    return [path for path in folders if path.name not in JUNK and not is_output(path)]


def class_folders(parent: Path) -> dict[str, Path]:
    """Return class name to folder, in alphabetical order; UserError where there is none."""
    folders = {path.name: path for path in visible_folders(parent)}
    if not folders:
        raise UserError(f"{parent} has no class folders; expected is {LAYOUTS}")
    return folders


def require_no_wrapper(layout: Layout, classes: Sequence[str]) -> None:
    """Refuse, by a UserError, class folders that lie in a folder of their own, one level below the root."""
    if layout.splits or len(classes) != 1:
        return
    inner = layout.root / classes[0]
    if len(names := [path.name for path in visible_folders(inner)]) > 1:
        shown = ", ".join(f"{name}/" for name in names[:4]) + (" ..." if len(names) > 4 else "")
        raise UserError(
            f"{layout.root} has one folder alone, {inner.name}/, which holds {shown}; try --data.root {inner}"
        )


def is_output(folder: Path) -> bool:
    """Tell whether a folder is what training left: a run, or a folder of runs."""
    names = [entry.name for entry in entries_of(folder)]
    if _is_run(names):
        return True
    if any(os.path.splitext(name)[1].lower() in suffixes(ANY) for name in names):
        return False  # images lie in it: a class
    if folder.name in OUTPUTS:
        return True
    for path, folders, files in os.walk(folder):
        if _is_run([*folders, *files]):
            return True
        if len(Path(path).relative_to(folder).parts) >= RUN_DEPTH:
            folders.clear()
    return False


def _is_run(names: list[str]) -> bool:
    return "config.yaml" in names and ("checkpoints" in names or "metrics.csv" in names)


def _question(root: Path, splits: Mapping[str, Path], others: list[str]) -> str:
    names = ", ".join(f"{path.name}/" for path in splits.values())
    beside = (
        f", beside {', '.join(f'{name}/' for name in others[:4])}{' ...' if len(others) > 4 else ''}" if others else ""
    )
    train = "" if "train" in splits else " (then train/ is missing)"
    return (
        f"{root} has {names} with folders in it{beside}: is it a split{train} or a class? For a split, "
        "--data.dataset.layout splits uses train/, val/ and test/ alone; for a class, --data.dataset.layout classes "
        "makes every folder a class"
    )
