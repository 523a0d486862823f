"""The augmentation of training images where the user names none: by what the data shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.core.spec import InputSpec
from zoo.data.augmentation_setting import Setting, parse_setting

#: The default of photographs.
PHOTOGRAPHS: Setting = ["random_resized_crop", "flip"]

#: Below so many pixels on a side, a part of an image shows too little: the whole image is moved instead.
SMALL = 64

NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def default_augmentation(dataset: Any, spec: InputSpec) -> Setting:
    """Return the augmentation of a data set: its attribute ``augmentation`` (``zoo.data.contract``), else none.

    Where the whole image is to be seen (letterbox, stretch), no part is cut out of it.
    """
    setting: Setting = getattr(dataset, "augmentation", "none")
    cuts = any(name == "random_resized_crop" for name, _ in parse_setting(setting))
    return "crop_flip" if cuts and spec.resize.fit != "cover" else setting


def augmentation_of_files(classes: Sequence[str], size: tuple[int, int]) -> Setting:
    """Return the augmentation of image files in class folders.

    Args:
        classes: names; three or more digits, letters or number words say that a mirrored image is another sign.
        size: height and width that the network sees by default.
    """
    if len(classes) > 2 and all(len(name) == 1 or name.casefold() in NUMBER_WORDS for name in classes):
        return "crop"
    return "crop_flip" if min(size) < SMALL else PHOTOGRAPHS
