"""The table of folds."""

from __future__ import annotations

from zoo.config.folds import show_folds


def test_names_and_figures_are_whole_in_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    names = ["accuracy", "average_precision", "calibration_error", "f1", "loss", "top5"]
    figures = {f"test/{name}": [0.1234, 0.5678] for name in names}
    show_folds(figures, {name: {"mean": 0.3456, "std": 0.3142} for name in figures}, [1000, 2000])
    rows = [line.replace("┃", "│").strip("│").split("│") for line in capsys.readouterr().out.splitlines()]
    cells = [
        "".join(part.strip() for part in column) for column in zip(*(row for row in rows if len(row) == 8), strict=True)
    ]
    assert [cell.startswith(name) for cell, name in zip(cells[2:], names, strict=True)] == [True] * 6
    assert all("0.12340.5678" in cell and cell.endswith("0.3456±0.3142") for cell in cells[2:])
