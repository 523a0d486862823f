"""Run a model that ``zoo export`` wrote. This file needs numpy, onnxruntime and Pillow, and nothing else of zoo.

HEIC files, which phones write, need pi-heif too, and TIFF files of other than 1 or 3 channels tifffile.

    from zoo.runtime import Classifier
    Classifier("model.onnx").predict("photo.jpg")  # [Prediction(name='bee', probability=0.98), ...]

    file, PIL image or array ──► read: uint8 (height, width, channels) ──► scale: the network's size (Pillow)
                                 named classes ◄── probabilities ◄── session ◄┘

How image files become pixels, here and in training:

| file                       | what the network sees                                            |
|----------------------------|------------------------------------------------------------------|
| EXIF orientation           | the picture upright                                              |
| palette, CMYK, YCbCr, LAB  | converted to RGB                                                 |
| alpha (LA, RGBA, palette)  | laid over white                                                  |
| 16-bit grey or RGB         | the model's white level, at first 65535, becomes 255             |
| animation                  | its first frame                                                  |
| grey where RGB is expected | three equal channels; RGB where grey is expected: luma (BT.601)  |
| 2, 4 or more channels      | as stored, where the model has as many: TIFF, PNG, .npy (h, w, c) |
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import importlib.util
import io
import itertools
import json
import math
import mmap
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, NamedTuple, get_args

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

#: Images with more pixels are refused by their header, before they are decompressed (268 MB as RGB).
MAX_PIXELS = 89_478_485

#: Rows that an image may have: Pillow keeps 8 bytes for each, beside its pixels.
MAX_ROWS = 2**20

#: Formats that are read. Pillow reads more, some of which start other programs (EPS).
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "PPM")

#: How HEIF files begin, behind four bytes; AVIF files may begin with the last two as well.
HEIF_BRANDS = tuple(
    b"ftyp" + brand for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
)

#: The group of entry points by which distributions bring models.
MODELS = "zoo.models"

#: How files of numpy and TIFF files begin.
NPY = b"\x93NUMPY"
TIFF_BITS, TIFF_SAMPLE_FORMAT = 258, 339  # tags: the bits of each channel, and whether they are whole numbers or floats
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

#: The 16-bit level that becomes 255, unless a model says another.
WHITE_LEVEL = 65535

#: Value of ``zoo_format`` in the metadata of a file that is written now, by its form, and values that are read.
FORMAT = {"any": "2", "fixed": "3", "float": "3"}
FORMATS_READ = ("1", "2", "3")

#: How an image becomes the network's size; files of format 1 name none and mean the first.
FITS = ("cover", "letterbox", "stretch")

#: Keys of input_spec.resize.
RESIZE = {"crop", "interpolation", "fit"}

#: Largest side that a network's images may have.
MAX_SIDE = math.isqrt(MAX_PIXELS)

#: Stands for a value that the metadata do not have.
MISSING = object()

#: How a graph takes images; files that do not say it take any.
Form = Literal["any", "fixed", "float"]

PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

#: EXIF tag of the camera's orientation; 1 is upright.
ORIENTATION = 0x0112

#: Largest batch that runs through the network.
BATCH_SIZE = 32

#: What an image is that is far below and far above the range of the training images.
EXTREMES = {
    "brightness": ("much darker", "much brighter"),
    "contrast": ("of much less contrast", "of much more contrast"),
    "sharpness": ("much more blurred", "much sharper or noisier"),
}

#: A quantity so near to a range is never far from it; contrast up to PLAIN is that of rounding.
MARGIN, PLAIN = 0.01, 1e-4

#: Pixels that are measured at once: arrays of more are memory that each thread takes from the system again and again.
MEASURED_PIXELS = 2**14

#: The file's own SHA-256 in its metadata, as protobuf writes it; it counts as 64 zeros when it is computed.
DIGEST = re.compile(rb"\n\x06sha256\x12\x40([0-9a-f]{64})")
NO_DIGEST = "0" * 64

#: How protobuf writes the key of an entry that names the file of a weight, in its usual form and in longer ones.
OTHER_FILE = re.compile(rb"(?:\x0a|\x8a\x80*\x00)(?:\x08|\x88\x80*\x00)location")

#: A file, an open binary file, a PIL image, or uint8 ``(height, width, channels)``; grey also ``(height, width)``.
Picture = str | os.PathLike[str] | BinaryIO | Image.Image | np.ndarray


class ModelError(ValueError):
    """A model file cannot be used, or gives other results than it should; the message starts with its path."""


class ImageError(ValueError):
    """An image cannot be used; the message starts with the path of its file, if it has one."""


class UnlikeTrainingImages(UserWarning):
    """An image is far from all that the network was trained on, so its classes say little."""


class Geometry(NamedTuple):
    """How an image of any size becomes the network's input: size and resize rule of an input spec.

    Args:
        height: of the network's input.
        width: of the network's input.
        crop: side of the centre that is cut out, as a share of the scaled image's side.
        interpolation: bilinear or bicubic, antialiased.
        fit: ``cover`` scales until the image covers ``height / crop`` x ``width / crop``, ``letterbox`` until it fits
            into it, ``stretch`` scales each side to it.
    """

    height: int
    width: int
    crop: float = 1.0
    interpolation: str = "bilinear"
    fit: str = FITS[0]

    @property
    def target(self) -> tuple[int, int]:
        """Height and width that the scaled image covers, fits into or has."""
        return round(self.height / self.crop), round(self.width / self.crop)

    def scaled_size(
        self, height: int, width: int, larger: Callable[..., Any] = max, smaller: Callable[..., Any] = min
    ) -> tuple[int, int]:
        """Return height and width of a scaled image; other functions for maximum and minimum serve symbols."""
        tall, wide = self.target
        if self.fit == "stretch":
            return tall, wide
        if self.fit == "letterbox":  # one side fits exactly, the other is shorter
            rows, columns = smaller(tall, height * wide // width), smaller(wide, width * tall // height)
            return larger(1, rows), larger(1, columns)
        # One side fits exactly, the other is longer.
        return larger(tall, height * wide // width), larger(wide, width * tall // height)

    def require_moderate(self, height: int, width: int) -> None:
        """Check an image's size; ImageError if it is so long and thin that it would have over MAX_PIXELS."""
        rows, columns = self.scaled_size(height, width)
        if (height, width) != (self.height, self.width) and rows * columns > MAX_PIXELS:
            raise ImageError(f"an image of {height}x{width} pixels is too long and thin for {self.height}x{self.width}")

    def first_pixels(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return row and column of a scaled image where the centre begins, negative where that is outside."""
        return self.first_pixel(size[0], self.height), self.first_pixel(size[1], self.width)

    def first_pixel(self, scaled: int, count: int) -> int:
        """Return where the middle ``count`` pixels of a scaled side begin, negative where that is outside."""
        if self.fit != "letterbox":
            return half(scaled - count)
        # Both margins are at least 0: a graph divides numbers below 0 with another rounding than Python.
        target = round(count / self.crop)
        return half(target - count) - half(target - scaled)

    def filled(self, height: int, width: int) -> tuple[slice, slice]:
        """Return the rows and the columns of the network's input that an image fills; bars are beside them."""
        if self.fit != "letterbox" or (height, width) == (self.height, self.width):
            return slice(self.height), slice(self.width)
        size = self.scaled_size(height, width)
        (top, left), (rows, columns) = self.first_pixels(size), size
        return slice(max(0, -top), rows - top), slice(max(0, -left), columns - left)

    def scale(self, image: Image.Image | np.ndarray) -> np.ndarray:
        """Return what the network sees of an image, to the last bit as the exported graph computes it, but faster.

        Args:
            image: a PIL image of mode L or RGB, or uint8 ``(height, width, channels)``.

        Returns:
            uint8 ``(height, width, channels)`` of the network's size; an array that has it already is not copied.

        Raises:
            ImageError: as ``require_moderate``.
        """
        height, width = image.shape[:2] if isinstance(image, np.ndarray) else (image.height, image.width)
        if (height, width) == (self.height, self.width):
            return image if isinstance(image, np.ndarray) else _array(image)
        self.require_moderate(height, width)
        if isinstance(image, np.ndarray):
            if image.shape[2] not in (1, 3):  # Pillow would weight RGB by a fourth channel
                return np.concatenate([self.scale(channel) for channel in np.split(image, image.shape[2], 2)], 2)
            image = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
        size = self.scaled_size(height, width)
        top, left = self.first_pixels(size)
        # Two calls fix the order of rows and columns, which otherwise depends on Pillow's version. Outside of the
        # image, crop gives level 0.
        image = image.resize((size[1], height), PILLOW[self.interpolation])
        if image.width != self.width:  # crop copies, even if it takes all
            image = image.crop((left, 0, left + self.width, height))
        image = image.resize((self.width, size[0]), PILLOW[self.interpolation])
        return _array(image if image.height == self.height else image.crop((0, top, self.width, top + self.height)))


def run_session(
    session: Any, outputs: Sequence[str], images: np.ndarray, form: Form, input_spec: Mapping[str, Any]
) -> list[np.ndarray]:
    """Run images through a graph of any form.

    Args:
        session: an ``onnxruntime.InferenceSession``.
        outputs: names of outputs.
        images: uint8 ``(batch, height, width, channels)``, of the network's size unless the form is ``any``.
        form: how the graph takes images; a graph of the others takes batches of one size, the last of which is filled.
        input_spec: as ``normalised`` takes it.

    Returns:
        An array for each output, float32 ``(batch, ...)``.
    """
    if form == "any":
        return session.run(outputs, {"images": images})  # type: ignore[no-any-return]
    size, parts = session.get_inputs()[0].shape[0], []
    for first in range(0, len(images), size):
        part = images[first : first + size]
        count = len(part)
        if count < size:
            part = np.concatenate([part, np.repeat(part[-1:], size - count, axis=0)])
        results = session.run(outputs, {"images": normalised(part, input_spec) if form == "float" else part})
        parts.append([result[:count] for result in results])
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]


def normalised(images: np.ndarray, input_spec: Mapping[str, Any]) -> np.ndarray:
    """Return images as a network takes them: ``(level / 255 - mean) / std``, channels first.

    Args:
        images: uint8 ``(batch, height, width, channels)`` of the network's size.
        input_spec: of the file's metadata; its mean and std, a number for each channel, are used.

    Returns:
        float32 ``(batch, channels, height, width)``.
    """
    mean, std = (np.array(input_spec[key], np.float32).reshape(1, -1, 1, 1) for key in ("mean", "std"))
    scale, shift = np.float32(1) / (np.float32(255) * std), -mean / std
    result: np.ndarray = np.ascontiguousarray(images.transpose(0, 3, 1, 2)) * scale + shift
    return result


def half(margin: int) -> int:
    """Return half of a margin, rounded to even at a half pixel: where torchvision's CenterCrop begins."""
    return (margin + margin // 2 % 2) // 2


def _array(image: Image.Image) -> np.ndarray:
    """Return a PIL image as uint8 ``(height, width, channels)``."""
    return np.array(image).reshape(image.height, image.width, -1)


class Prediction(NamedTuple):
    """A class and its probability, 0 to 1."""

    name: str
    probability: float


class Classifier:
    """A model file, ready to classify; safe to use from several threads at once.

    Args:
        model: the ``.onnx`` file, or the name of an installed model.
        providers: execution providers in order of preference, as ``onnxruntime.get_available_providers()`` names them,
            with or without ``ExecutionProvider``: ``["CUDA", "CPU"]``; by default the CPU.
        threads: number of CPU threads; by default one for each core.
        invert: whether images are inverted before the network sees them: dark strokes become light ones.

    Attributes:
        classes: names, in the order of the outputs.
        input_spec: what the network was trained for: classes, channels, height, width, mean, std, resize, white_level.
        labels: ``one`` if an image has one class: probabilities add up to 1. ``several`` if it may have any number of
            classes: each probability stands for itself.
        thresholds: for each class the probability from which ``predict`` names it; None: it names the likeliest.
        training_images: ranges of brightness, contrast, sharpness, width and height of the training images; empty in a
            file that does not know them.
        form: how the graph takes images: ``any`` size and number as uint8, ``fixed``: uint8 of the network's size, in
            batches of one size, or ``float``: normalised float32 ``(batch, channels, height, width)``. The methods take
            the same images whatever the form.
        metadata: of the file, decoded from JSON.
        session: the ``onnxruntime.InferenceSession``.

    Raises:
        ModelError: the file is missing, damaged, no ONNX file, in several parts, or not written by ``zoo export``.
        ValueError: a provider is not available or cannot start here, or threads is less than 1.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        providers: Sequence[str] | None = None,
        threads: int | None = None,
        invert: bool = False,
    ) -> None:
        path = model_file(model)
        self._path = path
        self.session = _session(path, providers, threads)
        self.metadata = _metadata(path, self.session)
        self.input_spec: dict[str, Any] = self.metadata["input_spec"]
        self.classes: tuple[str, ...] = tuple(self.metadata["classes"])
        self.labels: Literal["one", "several"] = self.metadata.get("labels", "one")
        thresholds = self.metadata.get("thresholds")
        self.thresholds = None if thresholds is None else np.array(thresholds, np.float32)
        self.training_images: dict[str, list[float]] = self.metadata.get("training_images") or {}
        self._invert = invert
        self._channels: int = self.input_spec["channels"]
        self._white_level: int = self.input_spec.get("white_level", WHITE_LEVEL)
        self.geometry = Geometry(self.input_spec["height"], self.input_spec["width"], **self.input_spec["resize"])
        self.form: Form = self.metadata.get("input", {}).get("form", "any")
        self._own_size = self.geometry.height, self.geometry.width
        self._names = np.array(self.classes, dtype=object)

    def predict(self, image: Picture, top_k: int = 5) -> list[Prediction]:
        """Return the likeliest classes of one image, without those below their threshold if the file has thresholds.

        Where the image is far from all that the network was trained on, it warns with UnlikeTrainingImages.

        Args:
            image: as ``read`` takes it.
            top_k: how many classes, at most all.

        Raises:
            ImageError: as ``read``.
            ValueError: top_k is less than 1, or an array is not what ``read`` takes.
        """
        return self._predict([image], top_k)[0]

    def predict_batch(self, images: Sequence[Picture] | np.ndarray, top_k: int = 5) -> list[list[Prediction]]:
        """Return the likeliest classes of each image, in order; arguments, warnings and errors as ``predict``.

        Args:
            images: any images that ``read`` takes, or one uint8 array ``(batch, height, width, channels)``,
                which runs through the network as it is, without warnings.
            top_k: how many classes of each.
        """
        if isinstance(images, np.ndarray):
            return self._named(self.probabilities(images), top_k)
        return self._predict(images, top_k)

    def _predict(self, images: Sequence[Picture], top_k: int) -> list[list[Prediction]]:
        named: list[list[Prediction]] = []
        for batch in _batches(images):
            pixels = [self.read(image) for image in batch]
            seen = np.stack([self.geometry.scale(image) for image in pixels])
            self._warn(batch, seen, pixels)
            named += self._named(self.probabilities(seen), top_k)
        return named

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return float32 ``(batch, classes)``, each row adding up to 1 unless ``labels`` is ``several``.

        Images of another size than the network's are scaled with Pillow, which gives the pixels that the graph would
        give, in a tenth of the time.

        Args:
            images: uint8 ``(batch, height, width, channels)``, of any size, values 0 to 255.

        Raises:
            ValueError: another dtype or shape, or no image.
            ImageError: the images are so long and thin that they would have over MAX_PIXELS after scaling.
        """
        return self._run("probabilities", images)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return what becomes the probabilities, float32 ``(batch, classes)``; arguments and errors as there."""
        return self._run("logits", images)

    def embeddings(self, images: np.ndarray) -> np.ndarray:
        """Return the features that the network computes its logits from, float32 ``(batch, width)``.

        Arguments and errors as ``probabilities``; also ModelError: the file was exported without embeddings.
        """
        if "embeddings" not in {output.name for output in self.session.get_outputs()}:
            raise ModelError("this file was exported without embeddings: its outputs are logits and probabilities")
        return self._run("embeddings", images)

    def _run(self, output: str, images: np.ndarray) -> np.ndarray:
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != self._channels or 0 in images.shape:
            raise ValueError(
                f"expected uint8 images (batch, height, width, {self._channels}), at least one, "
                f"received {images.dtype} {images.shape}"
            )
        if images.shape[1:3] != self._own_size:
            images = np.stack([self.geometry.scale(image) for image in images])
        try:
            result: np.ndarray = run_session(self.session, [output], images, self.form, self.input_spec)[0]
        except Exception as error:
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            reason = str(error).splitlines()[0][:200]
            raise ModelError(f"{self._path}: onnxruntime cannot run its graph ({reason}); export it again") from error
        return result

    def read(self, image: Picture) -> np.ndarray:
        """Return the pixels of an image, as the network takes them, inverted if ``invert`` was given.

        Args:
            image: a file, a PIL image, or a uint8 or uint16 array ``(height, width, channels)``, grey also
                ``(height, width)``.

        Returns:
            uint8 ``(height, width, channels)``.

        Raises:
            ImageError: the image cannot be read.
            ValueError: an array of another dtype or shape.
        """
        if isinstance(image, np.ndarray):
            pixels = image[..., None] if image.ndim == 2 and self._channels == 1 else image
            if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim != 3 or pixels.shape[2] != self._channels:
                raise ValueError(
                    f"expected a uint8 or uint16 image (height, width, {self._channels}), "
                    f"received {image.dtype} {image.shape}"
                )
            pixels = to_8_bits(pixels, self._white_level)
        elif isinstance(image, Image.Image):
            pixels = from_pillow(image, self._channels, self._white_level)
        else:
            pixels = decode(image, self._channels, self._white_level)
        return 255 - pixels if self._invert else pixels

    def see(self, image: Picture) -> np.ndarray:
        """Return what the network sees of an image, at its own size; arguments and errors as ``read``.

        The graph of the form ``any`` computes the same of an image of any size, to the last bit, but takes longer.

        Returns:
            uint8 ``(height, width, channels)``, as ``input_spec`` says.
        """
        return self.geometry.scale(self.read(image))

    def differences(self, image: Picture) -> list[str]:
        """Return in what an image is far from the training images, a sentence each; arguments and errors as ``read``.

        Nothing is far where the file does not know its training images.
        """
        pixels = self.read(image)
        seen = self.geometry.scale(pixels)[None]
        return differences(self.training_images, self.geometry, seen, [pixels.shape[:2]])[0]

    def _warn(self, images: Sequence[Picture], seen: np.ndarray, pixels: Sequence[np.ndarray]) -> None:
        sizes = [array.shape[:2] for array in pixels]
        for image, sentences in zip(images, differences(self.training_images, self.geometry, seen, sizes), strict=True):
            name = os.fspath(image) if isinstance(image, str | os.PathLike) else "image"
            for sentence in sentences:
                warnings.warn(f"{name}: {sentence}", UnlikeTrainingImages, stacklevel=4)  # where predict is called

    def _named(self, probabilities: np.ndarray, top_k: int) -> list[list[Prediction]]:
        if top_k < 1:
            raise ValueError(f"top_k is {top_k}; allowed is 1 or more")
        order = (-probabilities).argsort(axis=1, kind="stable")[:, :top_k]
        width = order.shape[1]
        names = self._names[order].ravel().tolist()
        values = probabilities[np.arange(len(order))[:, None], order].ravel().tolist()
        # tuple's own constructor takes half the time of Prediction's.
        predictions = list(map(partial(tuple.__new__, Prediction), zip(names, values, strict=True)))
        rows = [predictions[start : start + width] for start in range(0, len(predictions), width)]
        if self.thresholds is None:
            return rows
        reached = probabilities >= self.thresholds
        return [
            [prediction for prediction, label in zip(row, labels, strict=True) if reached[number, label]]
            for number, (row, labels) in enumerate(zip(rows, order, strict=True))
        ]


def decode(file: str | os.PathLike[str] | BinaryIO, channels: int = 3, white_level: int = WHITE_LEVEL) -> np.ndarray:
    """Read one image file.

    Args:
        file: its path, or the file opened for reading bytes.
        channels: 1 for grey, 3 for RGB; of other numbers the file must have as many.
        white_level: the level that becomes 255 where the file has 16 bits.

    Returns:
        uint8 array ``(height, width, channels)``, values 0 to 255.

    Raises:
        ImageError: as ``open_image``; or the file has another number of channels.
    """
    if channels in (1, 3):
        array = np.asarray(open_image(file, channels, white_level))
        return array.reshape(*array.shape[:2], channels)
    try:
        return to_8_bits(read_levels(file, channels), white_level)
    except Exception as error:
        raise _naming(file, error) from error


def open_image(
    file: str | os.PathLike[str] | BinaryIO, channels: int = 3, white_level: int = WHITE_LEVEL
) -> Image.Image:
    """Read one image file of 1 or 3 channels; arguments as ``decode``.

    Returns:
        A PIL image, upright, of mode L or RGB, in memory.

    Raises:
        ImageError: the file is missing, empty, no image, truncated, of an unknown kind, or has over MAX_PIXELS
            pixels or MAX_ROWS rows.
    """
    try:
        with Image.open(file, formats=formats()) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(f"{image.width}x{image.height} pixels; at most {MAX_PIXELS:,} are read")
            if image.height > MAX_ROWS:
                raise ImageError(f"{image.height:,} rows of pixels; at most {MAX_ROWS:,} are read")
            order = byte_order(image)
            if not order or (order != "planar" and white_level == WHITE_LEVEL):  # the high bytes are enough
                image.load()
                return to_mode(image, channels, white_level)
        levels = to_8_bits(read_levels(file, len(image.getbands())), white_level)
        return to_mode(Image.frombytes(image.mode, levels.shape[1::-1], levels.tobytes()), channels)
    except Exception as error:
        raise _naming(file, error) from error


def read_levels(file: str | os.PathLike[str] | BinaryIO, channels: int) -> np.ndarray:
    """Return the stored levels of a file that has so many channels, upright.

    Returns:
        uint8 or uint16 ``(height, width, channels)``.

    Raises:
        ImageError: the file has another number of channels, or its levels are no whole numbers of 8 or 16 bits. For
            damaged files, any exception.
    """
    with open(file, "rb") if isinstance(file, str | os.PathLike) else nullcontext(file) as content:
        content.seek(0)
        head = content.read(len(NPY))
        content.seek(0)
        if head == NPY:
            levels = _read_npy(content, channels)
        elif (stored := _read_bands(content, channels)) is not None:
            levels = stored
        elif head.startswith(TIFF):
            content.seek(0)
            levels = _read_tiff(content, channels)
        else:
            raise ImageError(f"it does not have {channels} channels, as the network's images do")
    if levels.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"{levels.dtype} pixels have no agreed range; convert the image to 8 or 16 bits")
    if levels.ndim != 3 or levels.shape[2] != channels:
        raise ImageError(f"its shape is {levels.shape}; expected is (height, width, {channels})")
    return levels


def _read_npy(content: BinaryIO, channels: int) -> np.ndarray:
    version = np.lib.format.read_magic(content)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape = read_header(content)[0]
    _require_pixels(math.prod(shape) // channels, str(shape))
    content.seek(0)
    levels: np.ndarray = np.load(content, allow_pickle=False)
    return levels


def _read_bands(content: BinaryIO, channels: int) -> np.ndarray | None:
    """Return the levels that Pillow reads; None where it finds another number of channels, or reads no such file."""
    try:
        image = Image.open(content, formats=formats())
    except UnidentifiedImageError:
        if (content.seek(0), content.read(4))[1] in TIFF:
            return None
        raise
    with image:
        _require_pixels(image.width * image.height, f"{image.width}x{image.height}")
        order = byte_order(image)
        count = 2 if order == "grey" and channels == 2 else len(image.getbands())
        if count != channels or image.mode in ("P", "1") or order == "planar":
            return None
        if not order:
            levels = np.asarray(ImageOps.exif_transpose(image))
            return levels.reshape(*levels.shape[:2], channels)
    if order == "grey":  # the four bytes of a pixel look like RGBA
        pixels = _read_as(content, "RGBA").astype(np.uint16)
        levels = pixels[..., 0::2] * 256 + pixels[..., 1::2]
        return levels if channels == 2 else levels[..., [0, 0, 0, 1]]
    # Pillow reads one of the two bytes of each level, and the mode's last letter says which: first (B), second (L).
    first, second = _read_as(content, "{};16B"), _read_as(content, "{};16L")
    high, low = (first, second) if order == "B" else (second, first)
    both: np.ndarray = high * np.uint16(256) + low
    return both


def _read_as(content: BinaryIO, raw_mode: str) -> np.ndarray:
    """Return the uint8 levels of a file that Pillow takes for one of another raw mode; {} is the name of its own."""
    with Image.open(content, formats=("PNG", "TIFF")) as image:
        for number, tile in enumerate(image.tile):
            name, *others = [tile.args] if isinstance(tile.args, str) else tile.args or ("",)
            image.tile[number] = tile._replace(args=(raw_mode.format(name.partition(";")[0]), *others))
        return np.asarray(ImageOps.exif_transpose(image))


def byte_order(image: ImageFile.ImageFile) -> Literal["", "B", "L", "grey", "planar"]:
    """Return the order of the two bytes of 16-bit levels in an opened file of several channels.

    Pillow has no such images: it reads the high bytes alone.

    Returns:
        B (high byte first) or L; ``grey`` for PNG files of grey with alpha; ``planar`` for TIFF files that store one
        channel behind the other, whose levels Pillow reads wrongly; empty for files of 8 bits or one channel.
    """
    if image.format not in ("PNG", "TIFF") or len(image.getbands()) < 3:
        return ""
    if image.format == "PNG" and image.tile and image.tile[0].args == image.mode:  # 8 bits, as nearly all
        return ""
    raw = {tile.args if isinstance(tile.args, str) else (tile.args or ("",))[0] for tile in image.tile}
    if "LA;16B" in raw:
        return "grey"
    letters = {name.rpartition(";16")[2] for name in raw if ";16" in name}
    if "N" in letters:
        return "L" if sys.byteorder == "little" else "B"
    if image.format == "TIFF" and not letters and 16 in getattr(image, "tag_v2", {}).get(TIFF_BITS, ()):
        return "planar"
    return "B" if "B" in letters else "L" if letters else ""


def _read_tiff(content: BinaryIO, channels: int) -> np.ndarray:
    """Return the levels of the first image series: channels may be samples or pages."""
    try:
        import tifffile
    except ImportError as error:
        raise ImageError("TIFF files of such channels need the package tifffile; pip install tifffile") from error
    with tifffile.TiffFile(content) as tiff:
        series = tiff.series[0]
        axes = [axis for axis, length in zip(series.axes, series.shape, strict=True) if length > 1 or axis in "YX"]
        _require_pixels(math.prod(series.shape) // channels, str(series.shape))
        levels: np.ndarray = series.asarray()
    levels = levels.reshape([length for axis, length in zip(series.axes, levels.shape, strict=True) if axis in axes])
    if len(axes) != 3 or not {"Y", "X"} < set(axes):
        raise ImageError(f"its axes are {series.axes} {series.shape}; expected is one image of {channels} channels")
    other = next(axis for axis in axes if axis not in "YX")
    return levels.transpose([axes.index(axis) for axis in ("Y", "X", other)])


def _require_pixels(count: int, shape: str) -> None:
    if count > MAX_PIXELS:
        raise ImageError(f"{shape} pixels; at most {MAX_PIXELS:,} are read")


def _naming(file: str | os.PathLike[str] | BinaryIO, error: Exception) -> ImageError:
    """Return what was raised while a file was read as an ImageError that names the file."""
    name = os.fspath(file) if isinstance(file, str | os.PathLike) else "image"
    if isinstance(error, ImageError):
        return ImageError(f"{name}: {error}")
    if isinstance(error, FileNotFoundError):
        return ImageError(f"{name}: no such file")
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return ImageError(f"{name}: more pixels than the {MAX_PIXELS:,} that are read")
    if isinstance(error, UnidentifiedImageError) and (levels := _tiff_levels(file)):
        return ImageError(f"{name}: {levels}; convert the image to 8 or 16 bits")
    # For damaged files Pillow's decoders raise nearly anything, mostly without the file's name.
    size = f" ({os.path.getsize(name)} bytes)" if os.path.isfile(name) else ""
    reason = "it is damaged"
    if isinstance(error, UnidentifiedImageError):
        reason = f"not one of the kinds that are read ({', '.join(formats())})"
    elif isinstance(error, OSError | SyntaxError) and str(error):  # Pillow's own texts; others are of Python's insides
        reason = str(error)
    return ImageError(f"{name}: not a readable image{size}: {reason}; replace or remove it")


def _tiff_levels(file: str | os.PathLike[str] | BinaryIO) -> str:
    """Return what is wrong with the levels of a TIFF file that Pillow does not know; empty for any other file."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2  # loaded by Pillow when it meets such a file

    if isinstance(file, str | os.PathLike) and not os.path.isfile(file):
        return ""  # a pipe, which is read once
    try:
        with open(file, "rb") if isinstance(file, str | os.PathLike) else nullcontext(file) as content:
            content.seek(0)
            head = content.read(8)
            if head[:4] not in TIFF:
                return ""
            directory = ImageFileDirectory_v2(head)
            content.seek(directory.next)
            directory.load(content)
        bits, number = (directory.get(tag, (1,))[0] for tag in (TIFF_BITS, TIFF_SAMPLE_FORMAT))
    except Exception:  # a damaged file, of which the first error says enough
        return ""
    kind = {2: "signed", 3: "float", 5: "complex", 6: "complex"}.get(number, "unsigned")
    return f"{bits}-bit {kind} pixels " + ("have no agreed range" if kind == "float" else "in TIFF files are not read")


def to_8_bits(levels: np.ndarray, white_level: int = WHITE_LEVEL) -> np.ndarray:
    """Return whole levels of more than 8 bits as uint8: ``white_level`` and what is above becomes 255."""
    if levels.dtype == np.uint8:
        return levels
    return (levels.clip(0, white_level).astype(np.uint32) * 255 // white_level).astype(np.uint8)


@cache
def formats() -> tuple[str, ...]:
    """Return those of FORMATS that are read here; older versions of Pillow lack AVIF."""
    Image.init()
    if "HEIF" not in Image.OPEN:
        Image.register_open("HEIF", _open_heif, lambda prefix: prefix[4:12] in HEIF_BRANDS)
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _open_heif(content: IO[bytes], name: str | bytes) -> ImageFile.ImageFile:
    """Open a HEIF file; the library is loaded by the first one, because that takes 20 ms."""
    try:
        from pi_heif import HeifImageFile
    except ImportError as error:
        raise ImageError("HEIC files need the package pi-heif; pip install pi-heif") from error
    opened: ImageFile.ImageFile = HeifImageFile(content, name)
    return opened


def from_pillow(image: Image.Image, channels: int, white_level: int = WHITE_LEVEL) -> np.ndarray:
    """Return the pixels of a PIL image, uint8 ``(height, width, channels)``.

    Raises:
        ImageError: as ``to_mode``; or it has another number of channels than 2, 4 or more that are expected.
    """
    if channels in (1, 3):
        array = np.asarray(to_mode(image, channels, white_level))
        return array.reshape(*array.shape[:2], channels)
    if len(image.getbands()) != channels:
        raise ImageError(f"the image is of mode {image.mode}; expected is one of {channels} channels")
    return np.asarray(ImageOps.exif_transpose(image))


def to_mode(image: Image.Image, channels: int, white_level: int = WHITE_LEVEL) -> Image.Image:
    """Return a PIL image upright and in mode L or RGB, by the table above; the same object if it is already.

    Raises:
        ImageError: the pixels are 32-bit floats, which have no agreed range.
    """
    turned = image.getexif().get(ORIENTATION, 1) != 1
    upright = ImageOps.exif_transpose(image) if turned else image  # exif_transpose would copy an upright image
    if upright.mode == "F":
        raise ImageError("32-bit float pixels have no agreed range; convert the image to 8 or 16 bits")
    if upright.mode.startswith("I"):
        upright = Image.fromarray(to_8_bits(np.asarray(upright), white_level))
    if "transparency" in upright.info or upright.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        upright = upright.convert("RGBA")
        white = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(white, upright)
    mode = "L" if channels == 1 else "RGB"
    return upright if upright.mode == mode else upright.convert(mode)


def measure(images: np.ndarray) -> dict[str, np.ndarray]:
    """Return what is compared with the training images, each float32 ``(batch,)``, 0 to 1.

    Args:
        images: uint8 ``(batch, height, width, channels)`` as the network sees them; their channels are averaged.

    Returns:
        ``brightness``, the mean level; ``contrast``, the standard deviation of the levels; ``sharpness``, the root mean
        square difference of neighbouring pixels as a share of twice the contrast: 0 for a plain image, 0.7 for noise, 1
        for a chessboard of pixels.
    """
    at_once = max(1, MEASURED_PIXELS // math.prod(images.shape[1:3]))
    parts = [_measure_few(images[first : first + at_once]) for first in range(0, len(images), at_once)]
    return _joined(parts)


def _joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([np.empty(0, np.float32), *(part[name] for part in parts)]) for name in EXTREMES}


def _measure_few(images: np.ndarray) -> dict[str, np.ndarray]:
    levels = images[..., 0].astype(np.float32)
    for channel in range(1, images.shape[3]):
        levels += images[..., channel]
    levels /= 255 * images.shape[3]
    brightness = levels.mean(axis=(1, 2))
    levels -= brightness[:, None, None]
    steps = [np.diff(levels, axis=axis) for axis in (1, 2)]
    squares, *of_steps = (np.einsum("bij,bij->b", values, values) for values in (levels, *steps))
    contrast = np.sqrt(squares / levels[0].size)
    rough = np.sqrt(sum(of_steps) / max(1, sum(step[0].size for step in steps)))
    sharpness = np.divide(rough, 2 * contrast, out=np.zeros_like(rough), where=contrast > PLAIN)
    return {"brightness": brightness, "contrast": contrast, "sharpness": sharpness}


def measure_filled(geometry: Geometry, images: np.ndarray, sizes: Sequence[tuple[int, int]]) -> dict[str, np.ndarray]:
    """Return what ``measure`` does, without the bars beside images; arguments as ``differences``."""
    if geometry.fit != "letterbox":
        return measure(images)
    parts = []
    for image, size in zip(images, sizes, strict=True):
        rows, columns = geometry.filled(*size)
        parts.append(measure(image[None, rows, columns]))
    return _joined(parts)


def differences(
    training_images: Mapping[str, Sequence[float]],
    geometry: Geometry,
    images: np.ndarray,
    sizes: Sequence[tuple[int, int]],
) -> list[list[str]]:
    """Return in what each image is far from the training images, a sentence each; mostly none.

    A quantity is far outside a range if it is further away than half the range is wide or half of what is left to 0 or
    1 there, whichever is less, and than 30 % of what is left. An image is too small if a side is less than half of that
    of the training images; larger ones are made smaller, as training images are.

    Args:
        training_images: of the model's metadata: ``{"brightness": [low, high], ...}``.
        geometry: how an image becomes the network's input.
        images: uint8 ``(batch, height, width, channels)`` as the network sees them.
        sizes: height and width of each image as it was before.
    """
    sentences: list[list[str]] = [[] for _ in sizes]
    if not training_images:
        return sentences
    measured = measure_filled(geometry, images, sizes)
    for name in [name for name in EXTREMES if name in training_images]:
        (less, more), (low, high) = EXTREMES[name], training_images[name]
        values = measured[name]
        below, above = values < low - _margin(low, high - low), values > high + _margin(1 - high, high - low)
        for index in np.flatnonzero(below | above).tolist():
            text = f"{less if below[index] else more} than the images trained on"
            text += f" ({name} {values[index]:.2f}, theirs is {low:.2f} to {high:.2f})"
            if name == "brightness" and low - MARGIN <= 1 - values[index] <= high + MARGIN:
                strokes = "light strokes on a dark" if below[index] else "dark strokes on a light"
                text += f"; for {strokes} ground try --invert"
            sentences[index].append(text)
    if {"height", "width"} <= set(training_images):
        (low_rows, rows), (low_columns, columns) = training_images["height"], training_images["width"]
        for index, (height, width) in enumerate(sizes):
            if 2 * height < low_rows or 2 * width < low_columns:
                sentences[index].append(
                    f"much smaller than the images trained on ({width}x{height} pixels, theirs are "
                    f"{low_columns:.0f}x{low_rows:.0f} to {columns:.0f}x{rows:.0f})"
                )
    return sentences


def _margin(rest: float, width: float) -> float:
    """Return how far outside a range a quantity is far, by what is left to 0 or 1 there and the width of the range."""
    return max(MARGIN, min(width, rest) / 2, 0.3 * rest)


def verify(
    model: str | os.PathLike[str],
    *,
    providers: Sequence[str] | None = None,
    threads: int | None = None,
    timed: bool = True,
) -> dict[str, Any]:
    """Check on this machine that a model file is unchanged and that its sample gives the logits stored with it.

    Arguments as ``Classifier``, and ``timed``: whether batches are timed, which takes memory for 32 images.

    Returns:
        The facts by name: ``model``, ``architecture``, ``dataset``, ``classes`` (their number), ``test_accuracy``,
        ``quantization``, ``written_by`` and ``onnxruntime`` (versions), ``providers``, ``difference`` (the largest
        between the stored logits and those computed here), ``tolerance``, and if ``timed``, the median milliseconds
        of the sample alone (``ms_batch_1``) and 32 times in one batch (``ms_batch_32``).

    Raises:
        ModelError: as ``Classifier``; the file was changed; or the sample's logits differ by more than ``tolerance``.
    """
    import onnxruntime

    path = model_file(model)
    with _content(path) as content:  # its pages leave memory before the session takes as much
        stored = DIGEST.search(content)
        unchanged = stored is not None and stored[1].decode() == digest(content)
    classifier = Classifier(path, providers=providers, threads=threads)
    if not unchanged:
        raise ModelError(f"{path} was changed after it was exported: its SHA-256 is another; export it again")
    metadata = classifier.metadata
    try:
        golden = metadata["golden"]
        expected, tolerance = np.array(golden["logits"], np.float32), float(golden["tolerance"])
        sample = classifier.read(io.BytesIO(base64.b64decode(golden["image"], validate=True)))[None]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise ModelError(f"{path}: its golden sample cannot be read: {error}; export it again") from error
    logits = classifier.logits(sample)[0]
    difference = float(np.abs(logits - expected).max()) if logits.shape == expected.shape else float("inf")
    if not difference <= tolerance:  # NaN is refused too
        raise ModelError(
            f"{path} does not do here what it did where it was exported: the logits of its sample differ by "
            f"{difference:.3g}, allowed is {tolerance:.3g}; try other providers or another version of onnxruntime"
        )
    facts = {
        "model": str(path),
        "architecture": metadata["architecture"],
        "dataset": metadata["dataset"],
        "classes": len(classifier.classes),
        "test_accuracy": metadata.get("test_accuracy"),
        "quantization": metadata.get("quantization"),
        "input": classifier.form,
        "written_by": metadata["versions"],
        "onnxruntime": onnxruntime.__version__,
        "providers": classifier.session.get_providers(),
        "difference": difference,
        "tolerance": tolerance,
    }
    batches = (1, 32) if timed else ()
    return facts | {f"ms_batch_{count}": _milliseconds(classifier, sample.repeat(count, axis=0)) for count in batches}


def digest(content: bytes | mmap.mmap) -> str:
    """Return the SHA-256 of a model file, in which the stored SHA-256 counts as zeros; hexadecimal."""
    stored = DIGEST.search(content)
    if stored is None:
        return hashlib.sha256(content).hexdigest()
    start, stop = stored.span(1)
    whole = hashlib.sha256(memoryview(content)[:start])
    whole.update(NO_DIGEST.encode())
    whole.update(memoryview(content)[stop:])
    return whole.hexdigest()


def model_file(model: str | os.PathLike[str]) -> Path:
    """Return the file that a path, or the name of an installed model, means; errors as ``installed_model``."""
    folder = None if os.path.exists(model) or not isinstance(model, str) else installed_model(model)
    return Path(model) if folder is None else folder / "model.onnx"


def installed_model(name: str) -> Path | None:
    """Return the folder of a model that a distribution brings by an entry point of the group ``zoo.models``.

    Nothing of the distribution is imported. ``zoo package`` writes such distributions.

    Args:
        name: of the model, or ``distribution:name``.

    Returns:
        The folder with ``model.onnx``; None if no distribution has the name.

    Raises:
        ModelError: several distributions have the name; or a file is missing, or not the one that was installed.
    """
    wanted, _, bare = name.rpartition(":")
    registered = entry_points(group=MODELS, name=bare)
    points = {_plain_name(point.dist.name): point for point in registered if point.dist is not None}
    if wanted:
        points = {owner: point for owner, point in points.items() if owner == _plain_name(wanted)}
    if len(points) > 1:
        choices = ", ".join(f"{owner}:{bare}" for owner in sorted(points))
        raise ModelError(f"model '{bare}' is of {len(points)} distributions; select one of: {choices}")
    for owner, point in points.items():
        spec = importlib.util.find_spec(point.module.partition(".")[0])
        places = list(spec.submodule_search_locations or ()) if spec is not None else []
        if not places or not Path(places[0], "model.onnx").is_file():
            raise ModelError(f"model '{bare}' of {owner} has no model.onnx; reinstall {owner}")
        _require_as_installed(point.dist, Path(places[0]), f"model '{bare}' of {owner}")
        return Path(places[0])
    return None


def _require_as_installed(distribution: Any, folder: Path, title: str) -> None:
    """Compare the model files of a distribution with the SHA-256 that it was installed with."""
    for file in distribution.files or ():
        path = Path(distribution.locate_file(file))
        if path.suffix not in (".onnx", ".safetensors") or file.hash is None or path.parent.name != folder.name:
            continue
        with path.open("rb") as content:
            digits = base64.urlsafe_b64encode(hashlib.file_digest(content, "sha256").digest()).decode().rstrip("=")
        if file.hash.mode == "sha256" and digits != file.hash.value:
            raise ModelError(
                f"{title} was changed after it was installed: the SHA-256 of {path} is another; reinstall it"
            )


def _plain_name(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _content(path: Path) -> AbstractContextManager[bytes | mmap.mmap]:
    """Give the bytes of a file, which the system reads when they are used; ModelError if it cannot be read."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:  # empty, or no file on a disk
                return nullcontext(file.read())
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ModelError(
            f"{path}: {error.strerror or error}, and no installed model has this name; 'zoo export RUN' writes a "
            "model.onnx, and a model that is a package is there after pip install of its wheel"
        ) from error


def _session(path: Path, providers: Sequence[str] | None, threads: int | None) -> Any:
    # onnxruntime reads weights in other files that a model names: in any from a path, in those of the working folder
    # from bytes. A path keeps one copy of the weights in memory, bytes keep two.
    with _content(path) as content:
        length, named = len(content), content.find(b"location") != -1
        if named and OTHER_FILE.search(content):
            raise ModelError(f"{path} ({length:,} bytes) keeps its weights in another file; export it as one file")
        model = content[:] if named or not os.fspath(path).isprintable() else os.fspath(path)
    import onnxruntime  # reading images does not need it

    onnxruntime.disable_telemetry_events()  # which its builds for Windows have
    available = onnxruntime.get_available_providers()
    chosen = []
    for name in providers or ["CPU"]:
        names = [
            full for full in available if name.lower() in (full.lower(), full.lower()[: -len("ExecutionProvider")])
        ]
        if not names:
            raise ValueError(f"provider '{name}' is not available; allowed here: {', '.join(available)}")
        chosen += names
    options = onnxruntime.SessionOptions()
    if threads is not None:
        if threads < 1:
            raise ValueError(f"threads is {threads}; allowed is 1 or more")
        options.intra_op_num_threads = threads
    options.log_severity_level = 4  # its errors are raised as exceptions, and need not be printed too
    try:
        session = onnxruntime.InferenceSession(model, options, providers=chosen)
    except Exception as error:  # onnxruntime's own exceptions have no other common base
        size = f"{length:,} bytes"
        if "xternal data" in str(error):
            raise ModelError(f"{path} ({size}) keeps its weights in another file; export it as one file") from error
        reason = "a text in it is not UTF-8" if isinstance(error, UnicodeError) else str(error).splitlines()[0][:120]
        raise ModelError(
            f"{path} ({size}) is not an ONNX file that onnxruntime {onnxruntime.__version__} reads: damaged, cut off "
            f"or something else ({reason}); export it again"
        ) from error
    if missing := [name for name in chosen if name not in session.get_providers()]:
        raise ValueError(
            f"provider {missing[0]} cannot start here, and onnxruntime would go on with {session.get_providers()[0]}; "
            "install the driver and the libraries that it needs, or leave it out"
        )
    return session


def _metadata(path: Path, session: Any) -> dict[str, Any]:
    """Return a session's metadata, decoded from JSON, after comparing it with the graph's inputs and outputs."""
    texts = session.get_modelmeta().custom_metadata_map
    if "zoo_format" not in texts:
        raise ModelError(f"{path} has no metadata of zoo: it was not written by 'zoo export'")
    if texts["zoo_format"] not in FORMATS_READ:
        readable = f"{', '.join(FORMATS_READ[:-1])} and {FORMATS_READ[-1]}"
        raise ModelError(f"{path} is of format {texts['zoo_format'][:20]}, this runtime reads {readable}; update it")
    metadata: dict[str, Any] = {}
    for key, text in texts.items():
        if key not in ("zoo_format", "sha256"):
            try:
                metadata[key] = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise ModelError(f"{path}: {key} in its metadata is no JSON; export it again") from error
    _require_metadata(path, metadata)
    classes = metadata["classes"]
    outputs = {output.name: output for output in session.get_outputs()}
    inputs = [(image.name, image.type, image.shape[1:]) for image in session.get_inputs()]
    consistent = inputs in _allowed_inputs(metadata, session)
    consistent &= set(outputs) - {"embeddings"} == {"logits", "probabilities"}
    consistent &= all(
        outputs[name].shape[1:] == [len(classes)] for name in ("logits", "probabilities") if name in outputs
    )
    if not consistent:
        raise ModelError(f"{path}: its metadata and its graph contradict each other; it was changed, export it again")
    return metadata


def _number(value: Any, low: float = -sys.float_info.max, high: float = sys.float_info.max) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _numbers(value: Any, count: int, low: float = -sys.float_info.max, high: float = sys.float_info.max) -> bool:
    return isinstance(value, list) and len(value) == count and all(_number(item, low, high) for item in value)


def _class_names(value: Any) -> bool:
    texts = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return texts and 2 <= len(value) == len(set(value))


def _ranges(value: Any) -> bool:
    pairs = isinstance(value, dict) and all(_numbers(pair, 2) for pair in value.values())
    return pairs and all(low <= high for low, high in value.values())


#: Each value in the metadata of a file: its path, whether it is right beside the others, what is allowed. A path that
#: ends in ? may be missing. A value stands behind those that its own check uses.
METADATA: tuple[tuple[str, Callable[[Any, dict[str, Any]], bool], str], ...] = (
    ("classes", lambda value, _: _class_names(value), "a list of at least two names, all different"),
    ("input_spec", lambda value, _: isinstance(value, dict), "a mapping"),
    ("input_spec.channels", lambda value, _: _whole(value, 1, MAX_PIXELS), "a number of at least 1"),
    ("input_spec.classes", lambda value, data: value == data["classes"], "the list of classes"),
    ("input_spec.height", lambda value, _: _whole(value, 1, MAX_SIDE), f"1 to {MAX_SIDE}"),
    ("input_spec.width", lambda value, _: _whole(value, 1, MAX_SIDE), f"1 to {MAX_SIDE}"),
    ("input_spec.mean?", lambda value, data: _numbers(value, data["input_spec"]["channels"]), "a number a channel"),
    ("input_spec.std?", lambda value, data: _numbers(value, data["input_spec"]["channels"], 1e-12), "as many above 0"),
    ("input_spec.resize", lambda value, _: isinstance(value, dict) and set(value) <= RESIZE, "a mapping of crop, ..."),
    ("input_spec.resize.crop", lambda value, _: _number(value, 1e-3, 1), "0.001 to 1"),
    ("input_spec.resize.interpolation?", lambda value, _: value in list(PILLOW), " or ".join(PILLOW)),
    ("input_spec.resize.fit?", lambda value, _: value in FITS, ", ".join(FITS)),
    ("input_spec.white_level?", lambda value, _: _whole(value, 1, WHITE_LEVEL), f"1 to {WHITE_LEVEL}"),
    ("architecture", lambda value, _: isinstance(value, dict), "a mapping with its name"),
    ("dataset", lambda value, _: isinstance(value, str), "a name"),
    ("versions", lambda value, _: isinstance(value, dict), "a mapping of packages to versions"),
    ("golden", lambda value, _: isinstance(value, dict), "a mapping with image, logits and tolerance"),
    ("golden.image?", lambda value, _: isinstance(value, str), "a PNG file in base64"),
    ("golden.logits?", lambda value, data: _numbers(value, len(data["classes"])), "a number a class"),
    ("golden.tolerance?", lambda value, _: _number(value, 0), "a number of at least 0"),
    ("training_images?", lambda value, _: value is None or _ranges(value), "a mapping of names to two numbers"),
    ("labels?", lambda value, _: value in ("one", "several"), "one or several"),
    ("temperature?", lambda value, _: _number(value, 1e-6), "a number above 0"),
    (
        "thresholds?",
        lambda value, data: value is None or _numbers(value, len(data["classes"]), 0, 1),
        "0 to 1 for each class",
    ),
    ("input?", lambda value, _: isinstance(value, dict), "a mapping with form"),
    (
        "input.form?",
        lambda value, data: (
            value in get_args(Form) and (value != "float" or {"mean", "std"} <= set(data["input_spec"]))
        ),
        f"{', '.join(get_args(Form))}, of which float needs mean and std in input_spec",
    ),
    ("test_accuracy?", lambda value, _: value is None or _number(value, 0, 1), "null or 0 to 1"),
    ("tta?", lambda value, _: value in (None, "flip"), "null or flip"),
)


def _require_metadata(path: Path, metadata: dict[str, Any]) -> None:
    """Compare metadata with METADATA; ModelError names the first value that is missing or not allowed."""
    for name, is_right, allowed in METADATA:
        value: Any = metadata
        for key in name.rstrip("?").split("."):
            value = value.get(key, MISSING) if value is not MISSING else MISSING
        if value is MISSING and name.endswith("?"):
            continue
        if value is MISSING or not is_right(value, metadata):
            received = "is missing" if value is MISSING else f"is {json.dumps(value, ensure_ascii=False)[:60]}"
            raise ModelError(
                f"{path}: {name.rstrip('?')} {received} in its metadata; allowed is {allowed}; it was changed, export "
                "it again"
            )


def _allowed_inputs(metadata: Mapping[str, Any], session: Any) -> list[list[tuple[str, str, list[Any]]]]:
    """Return name, type and shape behind the batch of a graph's inputs, as the metadata describe them."""
    spec, form = metadata["input_spec"], metadata.get("input", {}).get("form", "any")
    height, width, channels = spec["height"], spec["width"], spec["channels"]
    if form == "any":
        symbols = [image.shape[1:3] for image in session.get_inputs()]
        return [[("images", "tensor(uint8)", [*symbol, channels])] for symbol in symbols]
    if not all(isinstance(image.shape[0], int) for image in session.get_inputs()):
        return []
    if form == "fixed":
        return [[("images", "tensor(uint8)", [height, width, channels])]]
    return [[("images", "tensor(float)", [channels, height, width])]] if form == "float" else []


def _batches(images: Iterable[Picture]) -> Iterator[list[Picture]]:
    rest = iter(images)
    while batch := list(itertools.islice(rest, BATCH_SIZE)):
        yield batch


def _milliseconds(classifier: Classifier, images: np.ndarray) -> float:
    """Return the median time of five runs after a first one."""
    times = []
    for _ in range(6):
        begin = time.perf_counter()
        classifier.probabilities(images)
        times.append(1000 * (time.perf_counter() - begin))
    return float(np.median(times[1:]))


def print_verification(found: dict[str, Any]) -> None:
    """Print what ``verify`` returned, a line for each fact."""
    for key, value in found.items():
        if value is not None:
            text = f"{value:.4g}" if isinstance(value, float) else value
            print(f"{key:14}  {text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)}")
    print("verified: unchanged since it was exported, and its sample gives the logits it gave there")


def main(argv: Sequence[str] | None = None) -> int:
    """Classify image files, or verify a model file: the command ``zoo-runtime``.

    Args:
        argv: arguments of the command; by default those of this process.

    Returns:
        The exit status: 0 it worked, 2 a file or an option is wrong.
    """
    parser = argparse.ArgumentParser(prog="zoo-runtime", description="Run a model that 'zoo export' wrote.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("predict", help="print the likeliest classes of image files")
    command.add_argument("model")
    command.add_argument("images", nargs="+")
    command.add_argument("--top_k", type=int, default=5)
    command.add_argument("--invert", action="store_true", help="dark strokes become light ones")
    command = commands.add_parser("verify", help="let a model file prove itself on this machine")
    command.add_argument("model")
    for command in commands.choices.values():
        command.add_argument("--providers", nargs="+", metavar="NAME", help="what computes, such as CUDA; default: CPU")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")  # Pillow warns about files that are read, or refused with an error
    try:
        if options.command == "verify":
            print_verification(verify(options.model, providers=options.providers))
        else:
            classifier = Classifier(options.model, providers=options.providers, invert=options.invert)
            for path in options.images:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always", UnlikeTrainingImages)
                    predictions = classifier.predict(path, options.top_k)
                for name, probability in predictions:
                    print(f"{path}\t{name}\t{probability:.4f}")
                for warning in caught:
                    print(f"warning: {warning.message}", file=sys.stderr)
    except (ModelError, ImageError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
