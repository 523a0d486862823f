"""zoo runs rm deletes runs and groups of runs, and nothing else."""

from __future__ import annotations

import io

import pytest
import yaml
from filelock import FileLock

CONFIG = {"seed_everything": 0, "model": {"architecture": {"name": "lenet5"}}, "data": {"dataset": "digits"}}
CONFIG |= {"trainer": {"max_epochs": 3}}


@pytest.fixture
def add(tmp_path):
    """Make a run of small files."""

    def make(name, **changes):
        run = tmp_path / "runs" / name
        (run / "checkpoints").mkdir(parents=True)
        (run / "checkpoints" / "last.ckpt").write_bytes(bytes(2000))
        (run / "metrics.csv").write_text("epoch,step,train/loss\n0,1,0.5\n")
        (run / "config.yaml").write_text(yaml.safe_dump(CONFIG | changes))
        return run

    return make


class Terminal(io.StringIO):
    """What a user types."""

    def isatty(self):
        return True


def test_it_asks_and_deletes_after_yes(zoo, add, monkeypatch):
    first, second = add("a"), add("b")
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    status, out, err = zoo("runs", "rm", "runs/a")
    assert status == 0
    assert "runs/a\ndelete 1 run, 2." in out
    assert "deleted 1 run" in err
    assert not first.exists()
    assert second.exists()


@pytest.mark.parametrize("answer", ["\n", "n\n", "no\n"])
def test_any_other_answer_deletes_nothing(zoo, add, monkeypatch, answer):
    run = add("a")
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert zoo("runs", "rm", "runs/a")[2] == "nothing is deleted\n"
    assert run.exists()


def test_without_a_terminal_it_needs_yes(zoo, add, monkeypatch):
    run = add("a")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    status, _, err = zoo("runs", "rm", "runs/a")
    assert (status, "add --yes" in err, run.exists()) == (2, True, True)
    assert zoo("runs", "rm", "runs/a", "--yes")[0] == 0
    assert not run.exists()


def test_a_group_goes_as_a_whole(zoo, add, tmp_path):
    group = add("digits-lenet5/seeds_0/seed_0").parent
    add("digits-lenet5/seeds_0/seed_1")
    (group / "group.json").write_text('{"seeds": [0, 1]}')
    assert zoo("runs", "rm", group, "--yes")[0] == 0
    assert not group.exists()
    assert group.parent.exists()


def test_a_group_that_holds_something_else_stays(zoo, add):
    group = add("folds_0/fold_1").parent
    (group / "notes").mkdir()
    status, _, err = zoo("runs", "rm", group, "--yes")
    assert status == 2
    assert "it holds notes; name its runs one by one" in err
    assert (group / "fold_1" / "config.yaml").exists()


@pytest.mark.parametrize("what", ["folder", "config", "nothing", "file", "repository"])
def test_what_is_no_run_stays_and_nothing_else_is_deleted(zoo, add, tmp_path, what):
    run, other = add("a"), tmp_path / "other"
    if what == "file":
        other.write_text("thesis")
    elif what == "repository":
        other = add("b")
        (other / "code" / ".git").mkdir(parents=True)
    elif what != "nothing":
        other.mkdir()
        (other / "thesis.txt").write_text("thesis")
        if what == "config":
            (other / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    before = sorted(tmp_path.rglob("*"))
    status, _, err = zoo("runs", "rm", run, other, "--yes")
    assert status == 2
    assert str(other) in err
    assert len(err.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("link", ["the run", "a folder above it"])
def test_nothing_is_deleted_through_a_link(zoo, add, tmp_path, link):
    run = add("a")
    if link == "the run":
        (tmp_path / "link").symlink_to(run)
        path = "link"
    else:
        (tmp_path / "link").symlink_to(run.parent)
        path = "link/a"
    status, _, err = zoo("runs", "rm", path, "--yes")
    assert status == 2
    assert f"leads through a link to {run}" in err
    assert (run / "config.yaml").exists()


def test_a_link_in_a_run_goes_but_not_what_it_leads_to(zoo, add, tmp_path):
    run, photos = add("a"), tmp_path / "photos"
    photos.mkdir()
    (photos / "ant.png").touch()
    (run / "photos").symlink_to(photos)
    (run / "checkpoints" / "photos").symlink_to(photos)
    assert zoo("runs", "rm", run, "--yes")[0] == 0
    assert not run.exists()
    assert (photos / "ant.png").exists()


def test_a_run_in_training_stays(zoo, add):
    run = add("a")
    with FileLock(run / ".training.lock"):
        status, _, err = zoo("runs", "rm", run, "--yes")
    assert status == 2
    assert " trains run" in err
    assert run.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rm"], "which runs?"),
        (["rm", "runs/a", "runs/../runs/a"], "a run is given twice"),
        (["rm", "runs/seeds_0", "runs/seeds_0/seed_0"], "by itself and by its group"),
        (["--yes"], "--yes is for 'zoo runs rm RUN...'"),
        (["runs", "runs"], "unexpected argument 'runs'"),
    ],
)
def test_a_wrong_command_line_is_refused(zoo, add, words, message):
    add("a")
    add("seeds_0/seed_0")
    status, _, err = zoo("runs", *words)
    assert status == 2
    assert message in err
