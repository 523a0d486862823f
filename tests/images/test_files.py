"""Image files of every kind become the documented pixels."""

from __future__ import annotations

import os
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from pillow_heif import from_pillow

from zoo import runtime
from zoo.core.errors import ImageError
from zoo.images import files

RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.fixture
def save(tmp_path):
    def save(image: Image.Image, name: str = "image.png", **options: object):
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return save


def pixel(path, channels=3):
    return tuple(int(value) for value in files.decode(path, channels)[0, 0])


def test_rgb_comes_as_it_is(save):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    decoded = files.decode(save(Image.fromarray(pixels)))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, pixels)


def test_grey_becomes_three_equal_channels_or_stays_one(save):
    path = save(Image.new("L", (2, 2), 77))
    assert pixel(path) == (77, 77, 77)
    assert pixel(path, 1) == (77,)


def test_colour_becomes_luma_where_grey_is_expected(save):
    assert pixel(save(Image.new("RGB", (2, 2), RED)), 1) == (76,)


def test_transparent_pixels_lie_on_white(save):
    assert pixel(save(Image.new("RGBA", (2, 2), (255, 0, 0, 0)))) == (255, 255, 255)
    assert pixel(save(Image.new("RGBA", (2, 2), (255, 0, 0, 255)))) == RED
    assert pixel(save(Image.new("LA", (2, 2), (0, 0)))) == (255, 255, 255)


def test_a_palette_with_transparency_lies_on_white(save):
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    assert pixel(save(image)) == RED
    assert pixel(save(image, "t.png", transparency=1)) == (255, 255, 255)


def test_cmyk_becomes_rgb(save):
    red, green, blue = pixel(save(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "image.jpg"))
    assert red > 250
    assert max(green, blue) < 5


def test_sixteen_bits_are_scaled_not_clipped(save):
    grey = np.array([[0, 257 * 100, 65535]], np.uint16)
    assert files.decode(save(Image.fromarray(grey)), 1).ravel().tolist() == [0, 100, 255]


def test_exif_orientation_is_applied(save):
    image = Image.new("RGB", (4, 2), RED)
    image.paste(GREEN, (2, 0, 4, 2))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the stored left is the top
    decoded = files.decode(save(image, exif=exif))
    assert decoded.shape == (4, 2, 3)
    assert tuple(decoded[0, 0]) == RED
    assert tuple(decoded[3, 0]) == GREEN


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_gives_its_first_frame(save, suffix):
    frames = [Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), GREEN)]
    red, green, _ = pixel(save(frames[0], f"image{suffix}", save_all=True, append_images=frames[1:], lossless=True))
    assert red > 250
    assert green < 5


def scene(width=96, height=64):
    """A smooth picture, on which codecs lose little."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([2 * x, 3 * y, x + y], axis=2).astype(np.uint8))


@pytest.mark.parametrize(
    "name",
    [
        *("a.heic", "a.HEIF", "a.hif", "a.avif", "a.jfif", "a.jpe", "a.mpo", "a.webp", "a.tif", "a.TIFF", "a.bmp"),
        *("a.ppm", "a.pnm", "a.Jpg", "a.gif", "a.apng"),
    ],
)
def test_every_kind_of_picture_is_found_and_equal_to_its_png_within_the_codecs_loss(tmp_path, name):
    kinds = {"hif": "HEIF", "heic": "HEIF", "jpe": "JPEG", "jfif": "JPEG", "mpo": "MPO", "pnm": "PPM", "apng": "PNG"}
    kinds |= {"jpg": "JPEG", "tif": "TIFF"}
    suffix = name.rpartition(".")[2].lower()
    if kinds.get(suffix, suffix.upper()) == "HEIF":
        from_pillow(scene()).save(tmp_path / name, format="HEIF", quality=95)
    else:
        picture = scene().quantize(256) if suffix == "gif" else scene()
        picture.save(tmp_path / name, kinds.get(suffix, suffix.upper()))
    assert list(files.find_images(tmp_path)) == [str(tmp_path / name)]
    difference = np.abs(files.decode(tmp_path / name).astype(int) - np.asarray(scene()))
    assert difference.mean() < (6 if suffix == "gif" else 2.5)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_picture_of_a_phone_held_upright_is_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = scene().rotate({1: 0, 3: 180, 6: 90, 8: 270}[orientation], expand=True)
    from_pillow(stored).save(tmp_path / "a.heic", format="HEIF", quality=95, exif=exif.tobytes())
    decoded = files.decode(tmp_path / "a.heic")
    assert decoded.shape == (64, 96, 3)
    assert np.abs(decoded.astype(int) - np.asarray(scene())).mean() < 2.5


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp", "a.avif", "a.mpo"])
def test_the_size_of_a_file_is_that_of_its_upright_picture(save, name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(Image.new("RGB", (30, 20)), name, exif=exif)
    assert files.image_size(path) == files.decode(path).shape[:2]


def test_a_heic_file_without_its_library_says_what_to_install(tmp_path, monkeypatch):
    from_pillow(scene()).save(tmp_path / "a.heic", format="HEIF")
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(ImageError, match=r"a\.heic: HEIC files need the package pi-heif; pip install pi-heif"):
        files.decode(tmp_path / "a.heic")


def test_pixels_of_other_channels_come_as_they_are(tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (5, 7, 4), np.uint8)
    Image.fromarray(levels).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", levels)
    tifffile.imwrite(tmp_path / "a.tif", levels.transpose(2, 0, 1), photometric="minisblack")
    for name in ("a.png", "a.npy", "a.tif"):
        np.testing.assert_array_equal(files.decode(tmp_path / name, 4), levels)
    with pytest.raises(ImageError, match=r"a\.png: it does not have 5 channels"):
        files.decode(tmp_path / "a.png", 5)
    assert [path[-4:] for path in sorted(files.find_images(tmp_path, 4))] == [".npy", ".png", ".tif"]
    assert [path[-4:] for path in sorted(files.find_images(tmp_path))] == [".png", ".tif"]


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0junk"])
def test_a_file_that_is_no_image_is_named_with_its_size(tmp_path, content):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=rf"photo\.jpg: not a readable image \({len(content)} bytes\)"):
        files.decode(path)


@pytest.mark.parametrize("name", ["image.jpg", "image.png"])
def test_a_truncated_image_is_named(save, name):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = save(Image.fromarray(noise), name)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ImageError, match=name):
        files.decode(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"gone\.png: no such file"):
        files.decode(tmp_path / "gone.png")


def test_a_file_that_another_program_would_read_is_refused(tmp_path):
    """Pillow hands PostScript to ghostscript, whatever the file's name."""
    (tmp_path / "x.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    with pytest.raises(
        ImageError, match=r"x\.jpg: not a readable image .* not one of the kinds that are read \(JPEG, "
    ):
        files.decode(tmp_path / "x.jpg")


def test_too_many_pixels_are_refused_from_the_header(save, monkeypatch):
    path = save(Image.new("L", (100, 100)))
    monkeypatch.setattr(runtime, "MAX_PIXELS", 9_999)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("the image was decompressed"))
    with pytest.raises(ImageError, match=r"100x100 pixels; at most 9,999 are read"):
        files.decode(path)


def test_too_many_rows_are_refused_from_the_header(save, monkeypatch):
    path = save(Image.new("L", (1, 100)))
    monkeypatch.setattr(runtime, "MAX_ROWS", 99)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("the image was decompressed"))
    with pytest.raises(ImageError, match="100 rows of pixels; at most 99 are read"):
        files.decode(path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("float64", r"a\.tif: 64-bit float pixels have no agreed range; convert the image to 8 or 16 bits"),
        ("float16", r"a\.tif: 16-bit float pixels have no agreed range"),
        ("uint64", r"a\.tif: 64-bit unsigned pixels in TIFF files are not read; convert the image"),
        ("complex64", r"a\.tif: 64-bit complex pixels in TIFF files are not read"),
    ],
)
def test_a_tiff_file_of_other_levels_says_which(tmp_path, kind, message):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 5), kind))
    with pytest.raises(ImageError, match=message):
        files.decode(tmp_path / "a.tif")


def test_float_pixels_are_refused(save):
    with pytest.raises(ImageError, match="no agreed range"):
        files.decode(save(Image.fromarray(np.zeros((2, 2), np.float32)), "image.tiff"))


def test_a_picture_that_needs_no_change_is_not_copied():
    picture = Image.new("RGB", (3, 2))
    assert files.to_mode(picture, 3) is picture
    assert files.to_mode(picture, 1) is not picture


def test_pipes_and_sockets_are_not_opened(tmp_path):
    (tmp_path / "good.png").touch()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("pipe.png")
    (tmp_path / "broken.png").symlink_to("nothing.png")  # reading it names it
    assert [Path(path).name for path in files.find_images(tmp_path)] == ["broken.png", "good.png"]
    with pytest.raises(ImageError, match=r"pipe\.png: a pipe, socket or device; allowed are files and folders"):
        list(files.named_images([str(tmp_path / "pipe.png")]))


def test_a_bomb_is_named_before_its_pixels_are_read(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("L", (1, 1)).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = (60000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    for read in (files.image_size, files.decode, files.open_image):
        with pytest.raises(ImageError, match=r"bomb\.png: more pixels than the 89,478,485 that are read"):
            read(path)
