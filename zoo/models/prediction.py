"""Predictions for images, and a classifier's summary, as small tables in Python and in notebooks."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zoo.core.errors import UserError
from zoo.core.spec import InputSpec
from zoo.images.files import decode, from_pillow, named_images, open_image, to_mode
from zoo.images.preprocess import geometry, to_uint8
from zoo.models.shapes import restored_modes
from zoo.runs.summary import read_run
from zoo.runtime import UnlikeTrainingImages, differences, to_8_bits

if TYPE_CHECKING:
    from zoo.models.classifier import Classifier

#: A file or a folder of files, a PIL image, or uint8 or uint16 ``(height, width, channels)``, grey ``(height, width)``.
ImageInput = str | Path | Image.Image | np.ndarray

#: A class and its probability.
Prediction = tuple[str, float]

BATCH_SIZE = 32


@dataclass(frozen=True, repr=False)
class PredictionTable:
    """The likeliest classes of images: a table in a notebook, elsewhere text; ``[index]`` gives those of one image.

    Args:
        titles: the file or the number of each image.
        predictions: for each image ``(class, probability)`` pairs, the likeliest first.
    """

    titles: list[str]
    predictions: list[list[Prediction]]

    def __len__(self) -> int:
        return len(self.predictions)

    def __getitem__(self, index: int) -> list[Prediction]:
        return self.predictions[index]

    def __iter__(self) -> Iterator[list[Prediction]]:
        return iter(self.predictions)

    def __repr__(self) -> str:
        rows = list(self._rows())
        title, name = (max(map(len, column)) for column in list(zip(*rows, strict=True))[:2])
        return "\n".join(f"{row[0]:<{title}}  {row[1]:<{name}}  {row[2]:>11}" for row in rows)

    def _repr_html_(self) -> str:
        head, *rows = self._rows()
        return _table([_row(head, "th"), *(_row(row, "td") for row in rows)])

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        yield "image", "class", "probability"
        for title, pairs in zip(self.titles, self.predictions, strict=True):
            for rank, (name, probability) in enumerate(pairs):
                yield title if rank == 0 else "", name, f"{probability:.2%}"


def predict(classifier: Classifier, images: ImageInput | Sequence[ImageInput], top_k: int) -> PredictionTable:
    """Return the ``top_k`` likeliest classes, at most all, of one image or of several.

    Where an image is far from all that the network was trained on, it warns with ``zoo.runtime.UnlikeTrainingImages``.

    Raises:
        UserError: top_k is below 1, or an array is no such image.
        ImageError: a file cannot be read; it is named.
    """
    if top_k < 1:
        raise UserError(f"top_k is {top_k}; allowed is 1 or more")
    spec, titles, predictions = classifier.spec, [], []
    several = not isinstance(images, str | Path | Image.Image | np.ndarray) or getattr(images, "ndim", 0) == 4
    pictures = _pictures(images if several else [images], spec)  # type: ignore[arg-type,list-item]
    ranges = {} if classifier.run is None else classifier.run.known_training_images()
    with restored_modes(classifier), torch.inference_mode():
        classifier.eval()
        while batch := list(islice(pictures, BATCH_SIZE)):
            titles += [title for title, _ in batch]
            pixels = torch.stack([to_uint8(image, spec) for _, image in batch])
            sizes = [_size(image) for _, image in batch]
            _warn(differences(ranges, geometry(spec), pixels.numpy(), sizes), titles[-len(batch) :])
            logits = classifier(pixels.to(classifier.preprocess.scale.device))
            best = classifier.probabilities(logits).topk(min(top_k, len(spec.classes)), dim=1)
            for values, labels in zip(best.values.tolist(), best.indices.tolist(), strict=True):
                predictions.append([(spec.classes[label], value) for label, value in zip(labels, values, strict=True)])
    return PredictionTable(titles, predictions)


def _warn(differences: Sequence[Sequence[str]], titles: Sequence[str]) -> None:
    lines = [f"{title}: {one}" for title, sentences in zip(titles, differences, strict=True) for one in sentences]
    for line in lines:
        warnings.warn(line, UnlikeTrainingImages, stacklevel=4)  # where Classifier.predict is called


def _size(image: Image.Image | Tensor) -> tuple[int, int]:
    return (image.shape[0], image.shape[1]) if isinstance(image, Tensor) else (image.height, image.width)


def _pictures(images: Iterable[ImageInput], spec: InputSpec) -> Iterator[tuple[str, Image.Image | Tensor]]:
    """Yield each image's title and the image at its own size, 8 bits in the channels of the network."""
    for number, image in enumerate(images):
        if isinstance(image, str | Path):
            for path in named_images([os.fspath(image)], spec.channels):
                yield path, _read(path, spec)
        elif isinstance(image, Image.Image):
            yield f"image {number}", _levels(image, spec)
        else:
            array = np.asarray(image)
            pixels = array[..., None] if array.ndim == 2 else array
            if array.dtype not in (np.uint8, np.uint16) or pixels.shape[2:] != (spec.channels,) or 0 in pixels.shape:
                raise UserError(
                    f"image {number} is {array.dtype} {array.shape}; allowed are files, PIL images and uint8 or uint16 "
                    f"arrays (height, width, {spec.channels})"
                )
            yield f"image {number}", torch.tensor(to_8_bits(pixels, spec.white_level))


def _levels(image: Image.Image, spec: InputSpec) -> Image.Image | Tensor:
    if spec.channels in (1, 3):
        return to_mode(image, spec.channels, spec.white_level)
    return torch.tensor(from_pillow(image, spec.channels, spec.white_level))


def _read(path: str, spec: InputSpec) -> Image.Image | Tensor:
    if spec.channels in (1, 3):
        return open_image(path, spec.channels, spec.white_level)
    return torch.tensor(decode(path, spec.channels, spec.white_level))


def summary_html(classifier: Classifier) -> str:
    """Return a table that describes a classifier, with the figures of the run it was loaded from."""
    spec, run = classifier.spec, classifier.run
    classes = ", ".join(spec.classes[:10]) + (", ..." if len(spec.classes) > 10 else "")
    rows = {"architecture": classifier.architecture["name"]}
    link = ""
    if run is not None:
        row = read_run(run)
        figures = {"data set": row.data, "best val accuracy": row.val, "test accuracy": row.test}
        rows |= {
            name: value if isinstance(value, str) else f"{value:.1%}"
            for name, value in figures.items()
            if value is not None
        }
        if run.report.is_file():
            link = f'<p><a href="{escape(quote(run.report.as_posix()))}">report</a></p>'
    rows |= {
        "classes": f"{len(spec.classes):,}: {classes}",
        "images": f"{spec.height}x{spec.width}x{spec.channels}",
        "parameters": f"{sum(parameter.numel() for parameter in classifier.network.parameters()):,}",
    }
    return _table([_row(row, "td") for row in rows.items()]) + link


def _table(rows: Iterable[str]) -> str:
    return "<table>" + "".join(rows) + "</table>"


def _row(texts: Iterable[str], tag: str) -> str:
    cells = (f'<{tag} style="text-align: left">{escape(text)}</{tag}>' for text in texts)
    return "<tr>" + "".join(cells) + "</tr>"
