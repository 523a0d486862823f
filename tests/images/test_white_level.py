"""The white level of image files: the smallest of 8, 10, 12, 14 or 16 bits that holds every pixel."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image
from support import png_of_16_bits

from zoo.images.files import decode
from zoo.images.white_level import white_level_of_files
from zoo.runtime import read_levels


def image(highest, channels=1):
    levels = np.zeros((6, 5, channels), np.uint16)
    levels[2, 3] = highest
    return levels


@pytest.mark.parametrize(
    ("highest", "white"),
    [(200, 255), (256, 1023), (1023, 1023), (1024, 4095), (4095, 4095), (16383, 16383), (16384, 65535), (65535, 65535)],
)
def test_it_is_the_smallest_that_holds_the_highest_level(tmp_path, highest, white):
    (tmp_path / "a.png").write_bytes(png_of_16_bits(image(highest)))
    tifffile.imwrite(tmp_path / "b.tif", image(7)[..., 0])
    assert white_level_of_files([str(tmp_path / name) for name in ("b.tif", "a.png")], 1, 2) == white
    assert decode(tmp_path / "a.png", 1, white).max() == highest * 255 // white


def test_files_of_8_bits_leave_it_at_65535(tmp_path):
    for name in ("a.png", "b.tif", "c.jpg", "d.ppm"):
        Image.new("RGB", (5, 4), (9, 9, 9)).save(tmp_path / name)
    assert white_level_of_files([str(path) for path in tmp_path.iterdir()], 3, 1) == 65535


@pytest.mark.parametrize("write", ["png", "zlib", "separate", "big"])
def test_all_16_bits_of_colour_are_read(tmp_path, write):
    levels = np.random.default_rng(0).integers(0, 1024, (9, 7, 3)).astype(np.uint16)
    path, white = tmp_path / "colour.tif", 1023
    if write == "png":
        path.write_bytes(png_of_16_bits(levels))
    elif write == "separate":
        tifffile.imwrite(path, levels.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    else:
        options = {"compression": "zlib", "predictor": True} if write == "zlib" else {"byteorder": ">"}
        tifffile.imwrite(path, levels, photometric="rgb", **options)
    assert white_level_of_files([str(path)], 3, 1) == white
    np.testing.assert_array_equal(decode(path, 3, white), levels.astype(int) * 255 // white)


@pytest.mark.parametrize("channels", [2, 4])
def test_transparency_has_no_part_in_it_and_lies_on_white(tmp_path, channels):
    levels = image(1000, channels)
    levels[..., -1] = 65535
    levels[0, 0] = 0
    (tmp_path / "a.png").write_bytes(png_of_16_bits(levels))
    assert white_level_of_files([str(tmp_path / "a.png")], 3, 1) == 1023
    pixels = decode(tmp_path / "a.png", 3, 1023)
    assert (pixels[0, 0] == 255).all()
    assert (pixels[2, 3] == 1000 * 255 // 1023).all()
    assert (pixels[4, 4] == 0).all()
    np.testing.assert_array_equal(read_levels(tmp_path / "a.png", channels), levels)


def test_a_portable_grey_map_is_already_scaled_to_16_bits(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 4095\n" + np.array([4095, 2048], ">u2").tobytes())
    assert white_level_of_files([str(tmp_path / "a.pgm")], 1, 1) == 65535
    assert decode(tmp_path / "a.pgm", 1)[0, :, 0].tolist() == [255, 127]


def test_a_damaged_file_has_no_part_in_it(tmp_path):
    (tmp_path / "a.png").write_bytes(png_of_16_bits(image(4000))[:45])
    (tmp_path / "b.png").write_bytes(png_of_16_bits(image(900)))
    assert white_level_of_files([str(tmp_path / name) for name in ("a.png", "b.png")], 1, 1) == 1023


def test_levels_above_the_white_level_are_clipped(tmp_path):
    (tmp_path / "a.png").write_bytes(png_of_16_bits(image(5000)))
    assert decode(tmp_path / "a.png", 1, 4095).max() == 255
