"""The network learns the data set from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from zoo.cli import main


def test_the_network_learns_the_data_set(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["--trainer.max_epochs", "5", "--data.num_workers", "0"]
    assert main(["fit", "--model", "mlp", "--data", "stripes", *options]) == 0
    run = capsys.readouterr().out.splitlines()[-1]
    assert main(["test", run]) == 0
    assert json.loads(Path(run, "results.json").read_text())["test/accuracy"] > 0.9
