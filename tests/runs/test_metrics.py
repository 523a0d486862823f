"""Reading metrics.csv."""

from __future__ import annotations

from zoo.runs.folder import Run
from zoo.runs.metrics import History

TABLE = """epoch,step,train/loss,val/loss,val/accuracy,train/loss_step
0,10,2.0,1.5,0.5,
1,15,,,,1.75
1,20,1.0,1.25,0.75,
2,30,0.5,1.0,0.75,
3,40,0.2"""


def history(tmp_path, text):
    (tmp_path / "metrics.csv").write_text(text)
    return History.of(Run(tmp_path))


def test_rows_of_epochs_and_of_steps_become_curves_over_epochs(tmp_path):
    found = history(tmp_path, TABLE)
    assert found.curve("train/loss") == [(1, 2.0), (2, 1.0), (3, 0.5)]  # the last row is half a row
    assert found.curve("train/loss_step") == [(1.5, 1.75)]
    assert found.curve("val/f1") == []


def test_the_best_epoch_is_the_checkpoints(tmp_path):
    assert history(tmp_path, TABLE).best()["epoch"] == 2  # of equal accuracies the lower loss


def test_a_run_without_metrics_has_no_rows(tmp_path):
    assert History.of(Run(tmp_path)) == History([], [], [])
