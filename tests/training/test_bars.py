"""The bar of an epoch in a notebook."""

from __future__ import annotations

from zoo.core.console import in_notebook
from zoo.training.bars import NotebookBar


def test_a_notebook_updates_one_output_and_empties_it(monkeypatch):
    shown = []

    class Handle:
        def update(self, content, raw):
            shown.append(content["text/html"])

    def display(content, raw, display_id):
        shown.append(content["text/html"])
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    bar = NotebookBar()
    bar.stop()
    bar.update("epoch 1/2  loss <1>", 3, 41)
    bar.update("epoch 1/2", 41, 41)
    bar.stop()
    assert len(shown) == 3
    assert 'value="3" max="41"' in shown[0]
    assert "&lt;1&gt;" in shown[0]
    assert shown[-1] == ""


def test_a_process_without_a_kernel_is_no_notebook():
    assert not in_notebook()
