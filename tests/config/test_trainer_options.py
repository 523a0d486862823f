"""What Lightning would fail on in the middle of a run is refused before its folder is made."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from support import error_of

from zoo.config.trainer_options import require_possible
from zoo.core.errors import UserError, is_out_of_memory


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("log_every_n_steps", 0),
        ("accumulate_grad_batches", 0),
        ("check_val_every_n_epoch", -1),
        ("val_check_interval", 0.0),
        ("max_time", {"hour": 1}),
        ("val_check_interval", {"a": 1}),
        ("devices", 5000),
        ("devices", "5000"),  # as the command line gives it
    ],
)
def test_an_impossible_number_is_refused(option, value):
    possible = {"log_every_n_steps": 50, "accumulate_grad_batches": 1, "check_val_every_n_epoch": None}
    options = SimpleNamespace(**possible, val_check_interval=0.5, max_time=None, devices="auto", accelerator="cpu")
    require_possible(options)
    setattr(options, option, value)
    with pytest.raises(UserError, match=rf"trainer\.{option} is {value}; allowed"):
        require_possible(options)


def test_nothing_is_left_of_a_run_that_is_refused(zoo, tmp_path):
    assert "trainer.log_every_n_steps is 0" in error_of(zoo("fit", "--trainer.log_every_n_steps", 0))
    assert not list(tmp_path.iterdir())


def test_an_accelerator_without_its_package_is_refused(zoo, tmp_path):
    assert "torch_xla" in error_of(zoo("fit", "--trainer.accelerator", "tpu"))
    assert not list(tmp_path.glob("runs/*/*"))


def test_images_that_no_memory_holds_are_one_line(zoo, tmp_path):
    status, _, err = zoo("fit", "--data.image_size", 200_000)
    assert status == 1
    assert "out of memory before the first step" in err
    assert "--data.image_size" in err
    assert not list(tmp_path.iterdir())


def test_errors_of_allocators_are_told_from_others():
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**50)
    assert is_out_of_memory(error.value)
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(ValueError("not enough memory"))
