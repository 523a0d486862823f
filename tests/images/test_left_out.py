"""Every file of a folder is an image of a class, or in one of the counts of what is left out."""

from __future__ import annotations

import os

from zoo.images.files import find_images
from zoo.images.left_out import count_left_out, in_one_line


def fill(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_a_flat_folder(tmp_path):
    images = ["a/1.JPG", "a/deep/2.jpg", "b/3.heic"]
    fill(tmp_path, *images, "notes.TXT", "a/4.txt", "loose.jpg", "b/README", "b/.DS_Store", ".git/x/1.jpg", "a/5.npy")
    counts = count_left_out(tmp_path, [tmp_path], ["a", "b"], 3)
    assert counts == {".txt": 2, ".jpg in no class folder": 1, "without an ending": 1, "hidden": 2, ".npy": 1}
    found = [path for name in "ab" for path in find_images(tmp_path / name)]
    assert len(found) == len(images)
    assert len(found) + counts.total() == sum(path.is_file() for path in tmp_path.rglob("*"))
    assert ".npy" not in count_left_out(tmp_path, [tmp_path], ["a", "b"], 4)


def test_split_folders_and_what_lies_beside_them(tmp_path):
    fill(tmp_path, "train/a/1.png", "train/b/1.png", "test/a/1.png", "train/x.png", "extra/a/1.png", "train/c/1.png")
    parents = [tmp_path / "train", tmp_path / "test"]
    counts = count_left_out(tmp_path, parents, ["a", "b"], 3)
    assert counts == {".png in no class folder": 1, "in extra/": 1, "in c/": 1}


def test_a_folder_that_links_to_itself_is_counted_once(tmp_path):
    fill(tmp_path, "a/1.txt")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    assert count_left_out(tmp_path, [tmp_path], ["a"], 3) == {".txt": 1}


def test_a_pipe_with_the_name_of_an_image_is_counted(tmp_path):
    fill(tmp_path, "a/1.png")
    os.mkfifo(tmp_path / "a" / "2.png")
    assert count_left_out(tmp_path, [tmp_path], ["a"], 3) == {"pipes, sockets or devices": 1}


def test_one_line_names_the_most_frequent_kinds():
    assert in_one_line({".txt": 1200, "hidden": 3}) == "1,200 .txt, 3 hidden"
    assert in_one_line({f".{number}": 1 for number in range(12)}).endswith(", 4 others")


def test_a_link_that_leads_to_itself_is_a_file_of_its_ending(tmp_path):
    fill(tmp_path, "a/1.png")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "a" / "loop.txt").symlink_to("loop.txt")
    assert count_left_out(tmp_path, [tmp_path], ["a"], 3) == {"without an ending": 1, ".txt": 1}


def test_a_hidden_folder_that_cannot_be_read_is_counted(tmp_path, unreadable):
    fill(tmp_path, "a/1.png", ".Trash/1.png")
    unreadable(tmp_path / ".Trash")
    assert count_left_out(tmp_path, [tmp_path], ["a"], 3) == {"folders that cannot be read": 1}
