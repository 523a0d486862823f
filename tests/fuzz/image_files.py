"""Image files of every format with other bytes, headers, sizes and endings, named and in folders."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

import numpy as np
from fuzz.harness import Case
from fuzz.values import damaged, weighted
from fuzz.workshop import SMALL
from hypothesis import strategies as st
from PIL import Image
from support import png_of_16_bits

ENDINGS = (
    ".png",
    ".jpg",
    ".gif",
    ".webp",
    ".tif",
    ".bmp",
    ".ppm",
    ".pgm",
    ".avif",
    ".heic",
    ".apng",
    ".npy",
    ".txt",
    "",
)


def _file(kind: str, image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@cache
def right_files() -> tuple[tuple[str, bytes], ...]:
    """Return the ending and the content of images that can be read, of many kinds."""
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (20, 24, 3), np.uint8))
    more = [image.rotate(90 * turn) for turn in range(3)]
    exif = Image.Exif()
    exif[0x0112] = 6
    array = io.BytesIO()
    np.save(array, np.asarray(image))
    levels = random.integers(0, 65536, (9, 7, 3), np.uint16)
    tiffs = [
        _file("TIFF", image, compression=name) for name in (None, "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")
    ]
    return (
        (".png", _file("PNG", image)),
        (".png", _file("PNG", image.convert("P"), transparency=0)),
        (".png", _file("PNG", image.convert("RGBA"), exif=exif)),
        (".png", _file("PNG", image.convert("1"))),
        (".png", png_of_16_bits(levels)),
        (".jpg", _file("JPEG", image, exif=exif)),
        (".jpg", _file("JPEG", image.convert("CMYK"))),
        (".jpg", _file("JPEG", image.convert("L"), progressive=True)),
        (".gif", _file("GIF", image, save_all=True, append_images=more)),
        (".webp", _file("WEBP", image)),
        (".webp", _file("WEBP", image.convert("RGBA"), lossless=True, save_all=True, append_images=more)),
        (".bmp", _file("BMP", image)),
        (".bmp", _file("BMP", image.convert("P"))),
        (".ppm", _file("PPM", image)),
        (".pgm", _file("PPM", image.convert("L"))),
        (".avif", _file("AVIF", image)),
        (".tif", _file("TIFF", image.convert("I;16"))),
        (".tif", _file("TIFF", image.convert("F"))),
        *((".tif", content) for content in tiffs),
        (".npy", array.getvalue()),
    )


@st.composite
def _png(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return a PNG file whose header says what its data does not hold, with right checksums."""
    size = st.sampled_from((0, 1, 2, 100, 60_000, 89_000_000, 2**31 - 1, 2**32 - 1))
    bits, colour = draw(st.sampled_from((1, 2, 4, 8, 16, 3))), draw(st.sampled_from((0, 2, 3, 4, 6, 5)))
    header = struct.pack(">IIBBBBB", draw(size), draw(size), bits, colour, 0, 0, draw(st.sampled_from((0, 1, 2))))
    data = zlib.compress(draw(st.sampled_from((b"", b"\0" * 100, b"\0" * 10**6, b"\7" * 50))))

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    kinds = {
        b"PLTE": st.binary(max_size=9),
        b"tRNS": st.binary(max_size=5),
        b"zTXt": st.just(b"k\0\0" + zlib.compress(b"a" * 10**7)),
        b"iCCP": st.just(b"k\0\0" + zlib.compress(b"a" * 10**6)),
        b"eXIf": st.binary(max_size=20),
        b"acTL": st.just(struct.pack(">II", 2**31, 0)),
        b"fcTL": st.binary(min_size=26, max_size=26),
    }
    middle = b"".join(
        chunk(kind, draw(kinds[kind])) for kind in draw(st.lists(st.sampled_from(tuple(kinds)), max_size=2))
    )
    end = draw(st.sampled_from((chunk(b"IEND", b""), b"")))
    return ".png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + middle + chunk(b"IDAT", data) + end


@st.composite
def _npy(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return a file of numpy whose header says another type or shape."""
    kind = draw(st.sampled_from(("|u1", "<u2", "<f4", "|O", "<U5", "|b1", "<c8", "|V9", "x", "[('a','<i4')]")))
    shape = draw(
        st.sampled_from(
            ("(2, 2, 3)", "(10**9, 10**9, 3)", "(1000000000, 1000, 3)", "()", "(0, 0, 3)", "(-1, 2, 3)", "x")
        )
    )
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return ".npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + draw(
        st.binary(max_size=20)
    )


@st.composite
def _image(draw: st.DrawFn) -> tuple[str, bytes]:
    way = draw(st.sampled_from(("damaged", "damaged", "damaged", "damaged", "png", "npy", "ending", "right", "any")))
    if way in ("png", "npy"):
        return draw(_png() if way == "png" else _npy())
    if way == "any":
        return draw(st.sampled_from(ENDINGS)), draw(st.binary(max_size=50))
    ending, content = draw(st.sampled_from(right_files()))
    if way == "damaged":
        content = draw(damaged(content))
    if way == "ending":
        ending = draw(st.sampled_from(ENDINGS))
    return ending, content


@st.composite
def _named(draw: st.DrawFn) -> Case:
    """Return a prediction of one to three images by file."""
    pairs = draw(st.lists(_image(), min_size=1, max_size=3))
    files = {f"{number}{ending}": content for number, (ending, content) in enumerate(pairs)}
    model = draw(weighted(st.just("model.onnx"), st.just("tiny"), 8))
    quick = st.sampled_from(((), ("--strict",), ("--output", "case/out.csv"), ("--invert",)))
    more = draw(weighted(quick, st.just(("--plot", "case/p.png")), 40))
    paths = draw(st.sampled_from((["case"], [f"case/{name}" for name in files], ["case/*"])))
    return Case(("predict", model, *paths, *more), files, writes=("case/",))


@st.composite
def _in_folder(draw: st.DrawFn) -> Case:
    """Return a command about a folder of classes, one image of which is odd."""
    ending, content = draw(_image())
    good = right_files()
    files = {f"photos/{name}/{number}{good[number][0]}": good[number][1] for name in ("a", "b") for number in range(4)}
    files[draw(st.sampled_from((f"photos/a/odd{ending}", f"photos/a/0{ending}", f"photos/odd{ending}/0.png")))] = (
        content
    )
    root = ("--data.root", "case/photos", "--data.num_workers", "0")
    fit = ("fit", "--data", "folder", *SMALL, *root, "--data.val_fraction", "0.4")
    argv = draw(
        st.sampled_from(
            (
                ("check", "folder", *root),
                ("check", "folder", *root, "--output", "case/issues.json"),
                fit,
                (*fit, "--data.skip_bad", "true"),
                (*fit, "--data.memory_gib", "0"),
                (*fit, "--data.memory_gib", "0", "--data.skip_bad", "true", "--data.channels", "1"),
            )
        )
    )
    return Case(argv, files, writes=("case/", "runs"))


image_files = weighted(_named(), _in_folder(), 30)
