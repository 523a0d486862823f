"""SplitOptions: what a user says about the splits of a data set, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.core.errors import UserError
from zoo.data.split import SPLIT_SEED

#: What becomes of images that a split does not list.
NewImages = Literal["leave_out", "train"]

#: Default share of the test split of a data set that has no splits at all.
TEST_FRACTION = 0.1


@dataclass(frozen=True)
class SplitOptions:
    """How splits are drawn where the data set has none of its own.

    Args:
        val_fraction: share of the images that become ``val``.
        test_fraction: share of the images that become ``test``; None draws a tenth from a data set that has no splits
            at all, and nothing from others.
        split_seed: decides the hash; None draws by count, as versions without split.csv did: of a data set that has
            no splits at all a tenth for ``val`` and a tenth for ``test``.
        group: a regular expression on the relative path, whose first group (or whole match) images of one group share;
            or the name of a column of the data set.
        split: a run, a table or lists that say which image is in which split (``zoo.data.split_file.read_split``).
        folds: number of folds.
        fold: which of them is ``test``, from 1.
        new_images: what becomes of images that ``split`` does not list: ``train`` gives them to train and val,
            ``leave_out`` or None leaves them out.

    Raises:
        UserError: a value is outside what is allowed, or two contradict each other.
    """

    val_fraction: float = 0.1
    test_fraction: float | None = None
    split_seed: int | None = SPLIT_SEED
    group: str | None = None
    split: str | Path | None = None
    folds: int | None = None
    fold: int | None = None
    new_images: NewImages | None = None

    def __post_init__(self) -> None:
        if not 0 < self.val_fraction < 1:
            raise UserError(f"data.val_fraction is {self.val_fraction}; allowed is more than 0 and less than 1")
        if self.test_fraction is not None and not 0 <= self.test_fraction < 1:
            raise UserError(f"data.test_fraction is {self.test_fraction}; allowed is 0 to less than 1")
        if self.val_fraction + self.test_share >= 1:
            raise UserError(
                f"data.val_fraction is {self.val_fraction} and the share of test {self.test_share:g}; together they "
                "must be less than 1, so that images are left for training"
            )
        if self.split_seed is not None and self.split_seed < 0:
            raise UserError(f"data.split_seed is {self.split_seed}; allowed is 0 or more")
        if self.split_seed is None and self.group is not None:
            raise UserError(f"data.group is '{self.group}', and data.split_seed null draws by count; give a seed")
        self._require_fold()
        if self.new_images == "train" and (self.split is None or self.folds is not None):
            reason = "data.split names no split that could lack images" if self.split is None else "folds are drawn"
            raise UserError(f"data.new_images is train, but {reason}; leave it out")

    def _require_fold(self) -> None:
        if self.folds is None:
            if self.fold is not None:
                raise UserError(f"data.fold is {self.fold}, but of how many? Add --data.folds N")
            return
        if self.folds < 2:
            raise UserError(f"data.folds is {self.folds}; allowed is 2 or more")
        if self.fold is None:
            raise UserError(
                f"data.folds is {self.folds}, but which fold is the test split? --data.fold N, from 1 to {self.folds}, "
                f"trains one; zoo fit --folds {self.folds} trains all"
            )
        if not 1 <= self.fold <= self.folds:
            raise UserError(f"data.fold is {self.fold}; allowed is 1 to {self.folds}, the number of data.folds")
        if self.test_fraction is not None:
            raise UserError(
                f"data.test_fraction is {self.test_fraction}, but the test split is fold {self.fold} of {self.folds}; "
                "leave one of them out"
            )

    @property
    def test_share(self) -> float:
        """Share of the images in a test split that is drawn from a data set without splits."""
        if self.folds:
            return 1 / self.folds
        return TEST_FRACTION if self.test_fraction is None else self.test_fraction

    @property
    def source(self) -> str:
        """What ``split`` names, for messages: a run's file, else the table or the folder itself."""
        file = Path(self.split or "") / "split.csv"
        return str(file if file.is_file() else self.split)

    @property
    def fold_of(self) -> tuple[int, int]:
        """Number of the fold, and number of folds; ``(1, 1)`` without folds."""
        return (self.fold, self.folds) if self.fold is not None and self.folds is not None else (1, 1)
