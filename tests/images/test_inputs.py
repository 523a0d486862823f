"""What a command line names: files, folders, patterns, lists and addresses."""

from __future__ import annotations

import pytest
from PIL import Image

from zoo.core.errors import UserError
from zoo.images.inputs import named_inputs


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a.JPG", "deep/c.png", "deep/er/d.png", "[x].png", "@e.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2)).save(tmp_path / name, "PNG")
    (tmp_path / "notes.txt").write_text("deep\nb.png\nhttps://example.org/x.png\n")
    return tmp_path


@pytest.mark.parametrize(
    ("argument", "names"),
    [
        ("b.png", ["b.png"]),
        ("notes.txt", ["notes.txt"]),  # a file that is named stays, whatever it is
        ("deep", ["deep/c.png", "deep/er/d.png"]),
        ("*", ["@e.png", "[x].png", "a.JPG", "b.png"]),
        ("d*", ["deep/c.png", "deep/er/d.png"]),
        ("**/*.png", ["@e.png", "[x].png", "b.png", "deep/c.png", "deep/er/d.png"]),
        ("[x].png", ["[x].png"]),
        ("@e.png", ["@e.png"]),
        ("@notes.txt", ["deep/c.png", "deep/er/d.png", "b.png", "https://example.org/x.png"]),
        ("HTTP://example.org/a*b?c", ["HTTP://example.org/a*b?c"]),
    ],
)
def test_an_argument_names(here, argument, names):
    assert named_inputs([argument]) == names


@pytest.mark.parametrize("argument", ["gone.png", "gone*", "@gone.txt", "@"])
def test_an_argument_that_names_nothing_is_an_error(here, argument):
    with pytest.raises(UserError, match=r"gone|@"):
        named_inputs([argument])


def test_a_list_may_begin_with_a_byte_order_mark_and_hold_any_bytes(here):
    (here / "list.txt").write_bytes(b"\xef\xbb\xbfb.png\r\nn\xff.png\n \n")
    assert named_inputs(["@list.txt"]) == ["b.png", "n\udcff.png"]
