"""Find the files that a table names, whatever program wrote their paths."""

from __future__ import annotations

import os
import unicodedata

from zoo.core.errors import ImageError
from zoo.images.files import SUFFIXES, entries_of, is_file


class FileFinder:
    """Finds files by the listings of their folders, because asking for each file takes long on a network drive."""

    def __init__(self) -> None:
        self._listings: dict[str, tuple[set[str], dict[str, str]]] = {}

    def find(self, path: str) -> str | None:
        """Return the file that a path names; None where there is none.

        Args:
            path: may have backslashes, another Unicode form than the file's name, or lack the ending of an image.
        """
        for text in dict.fromkeys((path, path.replace("\\", "/"))):
            for form in dict.fromkeys((text, *(unicodedata.normalize(name, text) for name in ("NFC", "NFD")))):
                folder, name = os.path.split(form)
                files, stems = self._listing(folder)
                if name in files:
                    return form
                if name in stems:
                    return os.path.join(folder, stems[name])
        return None

    def _listing(self, folder: str) -> tuple[set[str], dict[str, str]]:
        """Return the files in a folder, and those with an image's ending by their name without it."""
        if folder not in self._listings:
            try:
                files = {entry.name for entry in entries_of(folder) if is_file(entry)}
            except (
                ImageError
            ):  # no folder, or none that can be read: none of its files is found, and an error names them
                files = set()
            pairs = [os.path.splitext(name) for name in sorted(files)]
            stems = {stem: stem + suffix for stem, suffix in pairs if suffix.lower() in SUFFIXES}
            self._listings[folder] = files, stems
        return self._listings[folder]
