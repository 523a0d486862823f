"""Pictures with captions, in a notebook and in text."""

from __future__ import annotations

import numpy as np

from zoo.images.gallery import Gallery, Picture


def picture(side, name="a.png", caption="ant"):
    return Picture(np.zeros((side, side, 3), np.uint8), name, caption)


def test_a_gallery_is_thumbnails_in_a_notebook_and_lines_elsewhere():
    gallery = Gallery([picture(8), picture(8, "b.png", "bee")])
    assert repr(gallery).splitlines() == ["a.png  ant", "b.png  bee"]
    assert gallery._repr_html_().count("<img src=") == 2
    assert len(gallery) == 2
    assert gallery[1].caption == "bee"


def test_names_of_files_and_classes_are_escaped():
    html = Gallery([picture(8, '<b>".png', "<script>")])._repr_html_()
    assert "<script>" not in html
    assert '<b>"' not in html


def test_small_images_keep_their_pixels_and_large_ones_become_small():
    assert "data:image/png" in Gallery([picture(8)])._repr_html_()
    assert "data:image/jpeg" in (large := Gallery([picture(2000)])._repr_html_())
    assert len(large) < 10_000


def test_an_empty_gallery_says_why():
    assert repr(Gallery([], "no mistake")) == "no mistake"
    assert "no mistake" in Gallery([], "no mistake")._repr_html_()
