"""The contract of everything that a package can bring, as tests, for plugins and for the built-in names.

from zoo.testing import check_architecture, check_dataset, check_loss

def test_my_network():
    check_architecture(my_package.networks.linear, hidden=8)

def test_my_data(tmp_path):
    check_dataset("stripes", root=tmp_path)

def test_my_loss():
    check_loss("hinge", margin=2)
"""

from __future__ import annotations

from zoo.testing.contract import ContractError
from zoo.testing.data import check_augmentation, check_dataset
from zoo.testing.networks import check_architecture, load_pretrained
from zoo.testing.parts import check_loss, check_metric, check_optimizer, check_scheduler
from zoo.testing.training import check_callback, check_logger, check_task

__all__ = [
    "ContractError",
    "check_architecture",
    "check_augmentation",
    "check_callback",
    "check_dataset",
    "check_logger",
    "check_loss",
    "check_metric",
    "check_optimizer",
    "check_scheduler",
    "check_task",
    "load_pretrained",
]
