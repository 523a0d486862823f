"""The table that zoo prints before training."""

from __future__ import annotations

from support import write_photos


def test_it_counts_the_files_that_are_no_images(zoo, tmp_path):
    write_photos(tmp_path / "photos", ("dark", "light"), 128, 128)
    (tmp_path / "photos" / "dark" / "notes.TXT").touch()
    (tmp_path / "photos" / "light" / "more.txt").touch()
    (tmp_path / "photos" / "loose.jpg").touch()
    words = [
        "fit",
        "--data",
        "folder",
        "--data.resize",
        "stretch",
        "--data.root",
        "photos",
        "--data.image_size",
        32,
        "--data.batch_size",
        8,
    ]
    words += ["--data.batch_size", 8, "--data.num_workers", 0]
    status, out, err = zoo(*words, "--trainer.max_steps", 1, "--trainer.limit_val_batches", 1)
    assert status == 0, err
    [line] = [line for line in (out + err).splitlines() if "left out" in line]
    assert "2 .txt, 1 .jpg in no class folder" in line
    assert "32x32x3, 2 classes, stretch" in out + err
