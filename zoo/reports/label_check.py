"""labels.csv and labels.html: the labels of a data set, those most likely to be wrong first.

probabilities of images the network was not trained on ──► ranking ──► rows of the table · images of the page
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from zoo.data.contract import Split
from zoo.data.image_data import ImageData
from zoo.data.items import item_labels, item_names
from zoo.reports.evaluation import TOP_K, Example
from zoo.reports.label_errors import ranking, suspects
from zoo.reports.page import address_from, render
from zoo.runs.files import write_atomically

#: Images that the page shows.
SHOWN = 60

#: Columns of the table; ``--data table`` reads path, label and split.
COLUMNS = ("path", "label", "prediction", "probability_of_label", "probability_of_prediction", "suspect", "split")


@dataclass(frozen=True)
class ClassifiedSplit:
    """A split that a network was not trained on, and what the network answers.

    Args:
        data: which has the split.
        split: train, val or test.
        positions: int64 ``(count,)``, of the images in the split, from 0.
        labels: int64 ``(count,)``.
        probabilities: float32 ``(count, classes)``.
    """

    data: ImageData
    split: Split
    positions: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True)
class RankedLabel:
    """A row of the table; the fields are its columns, empty where the image was not classified."""

    path: str
    label: str
    prediction: str
    probability_of_label: str
    probability_of_prediction: str
    suspect: str
    split: str


class LabelRanking:
    """The labels of classified splits, ranked.

    Args:
        classes: names in the order of the labels.
        splits: with at least one image in all.
    """

    def __init__(self, classes: Sequence[str], splits: Sequence[ClassifiedSplit]) -> None:
        self.classes = classes
        self.labels = np.concatenate([part.labels for part in splits])
        self.probabilities = np.concatenate([part.probabilities for part in splits])
        self.suspect = suspects(self.labels, self.probabilities)
        #: int64 ``(count,)``, indices of all images, the most likely wrong label first.
        self.order = ranking(self.labels, self.probabilities)
        self._places = [(part, int(position)) for part in splits for position in part.positions]
        self._names = [
            names[position]
            for part in splits
            for names in [item_names(part.data, part.split)]
            for position in part.positions
        ]

    @cached_property
    def rows(self) -> list[RankedLabel]:
        """The rows of the table, in order."""
        return [self._row(int(index)) for index in self.order]

    def _row(self, index: int) -> RankedLabel:
        label, values = int(self.labels[index]), self.probabilities[index]
        predicted = int(values.argmax())
        return RankedLabel(
            path=self._names[index],
            label=self.classes[label],
            prediction=self.classes[predicted],
            probability_of_label=f"{values[label]:.6f}",
            probability_of_prediction=f"{values[predicted]:.6f}",
            suspect="yes" if self.suspect[index] else "no",
            split=self._places[index][0].split,
        )

    def examples(self, folder: Path) -> tuple[list[Example], list[tuple[str, str | None]]]:
        """Return the first SHOWN images, and of each its name and its address from a page in ``folder``."""
        examples, places = [], []
        for rank, index in enumerate(self.order[:SHOWN].tolist()):
            part, position = self._places[index]
            [(images, _)] = part.data.source(part.split).fetch([torch.tensor([position])])
            top = np.argsort(-self.probabilities[index], kind="stable")[:TOP_K].tolist()
            pairs = [(label, float(self.probabilities[index, label])) for label in top]
            examples.append(Example(images[0].numpy(), int(self.labels[index]), pairs, rank))
            paths = part.data.paths(part.split)
            places.append((self._names[index], None if paths is None else address_from(paths[position], folder)))
        return examples, places


def unranked(data: ImageData, splits: Iterable[Split], ranked: Sequence[RankedLabel]) -> list[RankedLabel]:
    """Return a row for each image of some splits that is not ranked."""
    names = {row.path for row in ranked}
    classes = data.spec.classes
    return [
        RankedLabel(name, classes[label], "", "", "", "", split)
        for split in splits
        for name, label in zip(item_names(data, split), item_labels(data, split).tolist(), strict=True)
        if name not in names
    ]


def write_labels(path: Path, rows: Iterable[RankedLabel], columns: Sequence[str]) -> None:
    """Write some of COLUMNS as a table; RunError where it cannot be written."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([getattr(row, name) for name in columns] for row in rows)
    write_atomically(path, text.getvalue().encode("utf-8", "surrogateescape"))  # a file's name comes back as it was


def write_label_page(path: Path, title: str, ranking: LabelRanking, notes: Sequence[str], command: str | None) -> None:
    """Write the page with the images whose labels are most likely to be wrong.

    Args:
        path: of the page.
        title: what was checked.
        ranking: of its labels.
        notes: sentences on what is ranked and what is not.
        command: trains from the corrected table; None where images have no files.

    Raises:
        RunError: it cannot be written.
    """
    examples, places = ranking.examples(path.parent)
    figures = {"ranked": len(ranking.order), "suspect": int(ranking.suspect.sum()), "classes": list(ranking.classes)}
    content = render(
        "labels.html",
        figures,
        title=title,
        notes=notes,
        command=command,
        classes=ranking.classes,
        examples=examples,
        places=places,
        **{name: figures[name] for name in ("ranked", "suspect")},
    )
    write_atomically(path, content)
