"""A run on more classes than the run that it starts from: their rows of the last layer stay, new ones are solved."""

from __future__ import annotations

import torch
from support import write_photos

import zoo as library


def test_rows_of_classes_that_a_run_has_stay_and_new_ones_are_solved(zoo, tmp_path):
    for names in (("ant", "bee"), ("ant", "bee", "cat")):
        write_photos(tmp_path / f"photos{len(names)}", names, 80, 80)
    options = ("--data", "folder", "--data.image_size", 16, "--data.num_workers", 0, "--data.batch_size", 8)
    epochs = ("--trainer.max_epochs", 6, "--quiet")
    assert zoo("fit", *options, "--data.root", tmp_path / "photos2", *epochs, "--run", "two")[0] == 0
    status, _, err = zoo(
        *("fit", *options, "--data.root", tmp_path / "photos3", "--run", "three"),
        *("--model.weights", "runs/two", "--model.freeze", "backbone"),
    )
    assert status == 0, err
    assert "output.1 keeps the rows of 2 classes; fresh: cat" in err
    two, three = (library.load(tmp_path / "runs" / name) for name in ("two", "three"))
    assert torch.equal(three.network.output[1].weight[:2], two.network.output[1].weight)
    assert torch.equal(three.network.output[1].bias[:2], two.network.output[1].bias)
    cats = sorted((tmp_path / "photos3" / "cat").iterdir())
    named = [three.predict(path, top_k=1)[0][0][0] for path in cats]
    assert named.count("cat") >= 15
