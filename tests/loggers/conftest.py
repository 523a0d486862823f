"""A short fit that is logged, and then resumed."""

from __future__ import annotations

import pytest

SHORT = ("--trainer.max_epochs", 1, "--trainer.limit_train_batches", 3, "--trainer.log_every_n_steps", 1)


@pytest.fixture
def logged_run(zoo, tmp_path):
    """Train an epoch of three steps with a logger, resume the run for a second epoch, and return its folder."""

    def fit(name):
        run = tmp_path / "runs" / "logged"
        for args in (("--run", "logged", "--logger", name, *SHORT), (run, "--trainer.max_epochs", 2)):
            status, _, err = zoo("fit", *args)
            assert status == 0, err
            assert "did not take the results" not in err
        return run

    return fit
