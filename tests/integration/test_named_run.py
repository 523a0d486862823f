"""zoo fit --run NAME starts runs/NAME, or resumes it when it is there."""

from __future__ import annotations

import textwrap

import pytest
from support import error_of

SHORT = ("--trainer.limit_train_batches", "3", "--trainer.limit_val_batches", "2")


@pytest.fixture
def named(zoo, tmp_path):
    """The run ``first``, of one short epoch."""
    status, out, err = zoo("fit", "--run", "first", "--data.batch_size", 16, "--trainer.max_epochs", 1, *SHORT)
    assert status == 0, err
    assert out.splitlines()[-1] == "runs/first"
    return tmp_path / "runs" / "first"


def test_the_same_command_resumes_it_and_another_option_of_what_it_is_does_not(zoo, named):
    same = ("fit", "--run", "first", "--data.batch_size", 16)
    status, out, err = zoo(*same, "--trainer.max_epochs", 1)
    assert status == 0
    assert "run runs/first is finished: nothing is left to train; train on with: zoo fit runs/first --trainer" in err
    assert out.splitlines()[-1] == "runs/first"
    assert zoo(*same, "--trainer.max_epochs", 2, "--model", "lenet5")[0] == 0
    assert (named / "metrics.csv").read_text().count("\n1,") == 1
    message = error_of(zoo("fit", "--run", "first", "--data.batch_size", 8))
    assert "run runs/first was trained with data.batch_size 16 (runs/first/config.yaml), received 8" in message
    message = error_of(zoo("fit", "--run", "first", "--data.batch_size", 16, "--model", "vgg16"))
    assert "run runs/first was trained with model.architecture.name 'lenet5'" in message
    assert "model.architecture.name 'lenet5'" in error_of(zoo("fit", "--run", "first", "--model", "cnn"))
    assert "leave --ckpt_path x.ckpt out" in error_of(zoo("fit", "--run", "first", "--ckpt_path", "x.ckpt"))
    assert "run runs/first and --run first both say which run" in error_of(zoo("fit", "runs/first", "--run", "first"))


def test_it_lies_in_the_default_root_dir_of_a_config_file(zoo, tmp_path):
    (tmp_path / "recipe.yaml").write_text("trainer: {default_root_dir: mine, max_epochs: 1}\nseed_everything: true\n")
    for _ in range(2):
        assert zoo("fit", "--run", "first", "--config", "recipe.yaml", *SHORT, "--quiet")[:2] == (0, "mine/first\n")


@pytest.mark.parametrize("name", ["", ".", "..", "../first", "runs/first", ".hidden", "/tmp/first"])
def test_a_name_that_is_a_path_is_refused(zoo, tmp_path, name):
    assert "--run" in error_of(zoo("fit", "--run", name))
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_is_no_run_is_named(zoo, tmp_path):
    (tmp_path / "runs/first").mkdir(parents=True)
    assert "runs/first is not a run folder: it has no config.yaml" in error_of(zoo("fit", "--run", "first"))


def test_a_missing_name_is_said(zoo):
    assert "option --run needs a value" in error_of(zoo("fit", "--run"))


def test_a_failed_run_is_listed_as_failed(zoo, tmp_path):
    assert zoo("fit", "--optimizer", "SGD", "--optimizer.lr", "1e30", "--run", "bad", "--trainer.max_epochs", 1)[0] == 1
    assert "failed" in zoo("runs")[1]


def test_what_to_type_next_is_no_test_where_there_is_no_test_split(zoo, install):
    source = """
        import numpy
        from zoo import ArrayDataset, NoSplitError

        def plain(root, split):
            if split == "test":
                raise NoSplitError("test")
            if split == "val":
                raise NoSplitError("val")
            generator = numpy.random.default_rng(0)
            return ArrayDataset(generator.integers(0, 255, (40, 8, 8, 1), "uint8"), numpy.arange(40) % 2, ["a", "b"])
    """
    install("plain-data", "[zoo.datasets]\nplain = plain_data:plain\n", textwrap.dedent(source), "plain_data")
    status, _, err = zoo("fit", "--data", "plain", "--trainer.max_epochs", 1)
    assert status == 0, err
    assert "next: zoo export runs/plain-lenet5/version_0" in err
