"""An optimizer that cannot train the network says which parameter it does not take."""

from __future__ import annotations

import pytest
import torch
from support import error_of
from torch import nn

from zoo.core.errors import UserError
from zoo.core.registry import OWN_DISTRIBUTION, entries
from zoo.training.optimizer_check import require_optimizer, require_scheduler

PARAMETERS = {"conv.weight": nn.Parameter(torch.zeros(6, 1, 5, 5)), "out.weight": nn.Parameter(torch.zeros(4, 3))}


def config(name, **arguments):
    return {"class_path": f"torch.optim.{name}", "init_args": arguments}


BUILT_IN = {entry.name for entry in entries("optimizer") if entry.distribution == OWN_DISTRIBUTION}


@pytest.mark.parametrize("name", sorted(BUILT_IN - {"Muon", "SparseAdam"}))
def test_each_built_in_optimizer_takes_convolutions(name):
    require_optimizer(config(name), PARAMETERS)


def test_muon_names_the_parameters_that_are_no_matrices():
    with pytest.raises(UserError, match=r"'Muon' .*cannot take conv\.weight \(6, 1, 5, 5\): Muon only supports 2D"):
        require_optimizer(config("Muon"), PARAMETERS)


def test_an_optimizer_for_sparse_gradients_takes_no_parameter():
    with pytest.raises(UserError, match="cannot train the network: SparseAdam does not support"):
        require_optimizer(config("SparseAdam"), PARAMETERS)


def test_a_value_that_an_optimizer_refuses_is_its_own_message():
    with pytest.raises(UserError, match=r"'SGD' .*cannot train the network: Invalid learning rate: -1"):
        require_optimizer(config("SGD", lr=-1.0), PARAMETERS)


def test_a_scheduler_that_does_not_fit_the_optimizer_is_named():
    scheduler = {"class_path": "torch.optim.lr_scheduler.CyclicLR", "init_args": {"base_lr": 0.1, "max_lr": 0.2}}
    with pytest.raises(UserError, match=r"scheduler 'CyclicLR' of zoo-classifiers .* cannot be built: optimizer must"):
        require_scheduler(scheduler, config("Adagrad", lr=0.1))


def test_no_run_folder_is_left_by_an_optimizer_that_cannot_train(zoo, tmp_path):
    assert "c1.0.weight (6, 1, 5, 5)" in error_of(zoo("fit", "--optimizer", "Muon"))
    assert not (tmp_path / "runs").exists()
