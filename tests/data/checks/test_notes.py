"""What zoo check remarks that is no fault."""

from __future__ import annotations

import pytest
from PIL import Image
from support import write_wide

from zoo.data.checks.notes import crop_note, lost_shares


def test_a_crop_of_pictures_twice_as_wide_leaves_out_half():
    assert lost_shares([(200, 100), (100, 200), (50, 50)], (24, 24)).tolist() == pytest.approx([0.5, 0.5, 0])
    assert lost_shares([(200, 100)], (10, 20)).tolist() == pytest.approx([0])


def test_pictures_of_the_networks_shape_need_no_remark():
    assert crop_note([(300, 300), (50, 50)], (224, 224)) == []
    [line] = crop_note([(200, 100), (100, 100)], (224, 224))
    assert "25% of the pictures' area is cut off on average, 50% at most (200x100, width x height)" in line


def test_check_says_what_a_crop_cuts_off_and_which_files_are_no_images(zoo, tmp_path):
    write_wide(tmp_path / "wide")
    (tmp_path / "wide" / "left" / "notes.txt").touch()
    for number in range(40):  # of two shapes, so that the network's size is 224x224
        Image.linear_gradient("L").resize((64, 64)).rotate(number).save(tmp_path / "wide" / "left" / f"s{number}.png")
    _, out, err = zoo("check", "folder", "--data.root", "wide", "--data.num_workers", 0)
    assert "left out, because they are no images of a class: 1 .txt" in out, err
    assert "75% at most (96x24, width x height); --data.resize letterbox or stretch shows whole pictures" in out
