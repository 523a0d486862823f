"""The state of a training is compared, field by field, with that of a training that begins."""

from __future__ import annotations

import shutil

import pytest
import torch
from support import error_of

import zoo as package
from zoo.config.fit_cli import FitCLI
from zoo.config.resolve import resolve
from zoo.core.errors import CheckpointError
from zoo.models.checkpoint_fields import require_fields, require_state
from zoo.runs.config_file import read_config
from zoo.runs.folder import Run
from zoo.training.resumed_state import require_resumable_state

FIT_LOOP = "loops/fit_loop/"
GROUP, STATE = "optimizer_states/0/param_groups/0/", "optimizer_states/0/state/0/"


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """A run of two epochs, and what a command that resumes it builds."""
    limits = {"limit_train_batches": 3, "limit_val_batches": 1, "default_root_dir": tmp_path_factory.mktemp("runs")}
    schedule = {"class_path": "StepLR", "init_args": {"step_size": 1}}
    model = {"architecture": "lenet5"}
    path = package.fit(
        model=model, trainer=limits, lr_scheduler=schedule, early_stopping=2, max_epochs=2, quiet=True
    ).path
    run = Run(path)
    cli = FitCLI("fit", resolve([], (str(run.config), read_config(run.config))), run, quiet=True)
    return run, cli


def changed(run, field, value):
    """Return the run's last checkpoint with another value at a path; without the field for ``...``."""
    checkpoint = torch.load(run.last, weights_only=True)
    *path, last = (int(key) if key.isdigit() else key for key in field.split("/"))
    inner = checkpoint
    for key in path:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return checkpoint


def nested(depth):
    """Return a list in a list in a list."""
    value = []
    for _ in range(depth):
        value = [value]
    return value


def require(checkpoint, run, cli):
    require_fields(checkpoint, run.last)
    require_state(checkpoint, run.last)
    require_resumable_state(checkpoint, run.last, cli.model, cli.trainer, resumed=True)


def test_what_a_training_writes_is_right(resumed):
    run, cli = resumed
    require(torch.load(run.last, weights_only=True), run, cli)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("pytorch-lightning_version", 5, "pytorch-lightning_version is 5"),
        ("global_step", 7, "global_step is 7 .*allowed is 6, the steps that loops counts"),
        ("epoch", 5, "epoch is 5 .*allowed is"),
        ("random_state", {"cpu": torch.zeros(3)}, "random_state is"),
        ("global_batch", 0, "global_batch is 0"),
        ("hyper_parameters/freeze", [1], "hyper_parameters.freeze is"),
        ("hyper_parameters/batch_norm", torch.zeros(3), "hyper_parameters.batch_norm is torch.float32"),
        ("hyper_parameters/metrics", [1, torch.zeros(3)], "hyper_parameters.metrics.1 is torch.float32"),
        ("hyper_parameters/metrics", nested(5000), r"hyper_parameters.metrics(.0)+ is list .* 16 deep"),
        ("hyper_parameters/l1", nested(5000), "hyper_parameters.l1 is .*allowed is 0 or more"),
        ("hyper_parameters/spec/height", 2.5, "hyper_parameters.spec.height is 2.5"),
        ("optimizer_states", [], "optimizer_states is 0 states"),
        (GROUP + "params", [0], "optimizer_states.0.param_groups is groups of"),
        (GROUP + "lr", "much", "optimizer_states.0.param_groups.0.lr is much"),
        (GROUP + "lr", -1.0, "optimizer_states.0.param_groups.0.lr is -1.0"),
        (GROUP + "betas", ..., "optimizer_states.0.param_groups.0.betas is missing"),
        (GROUP + "amsgrad", True, "param_groups.0.amsgrad is True .*as the run's optimizer has it"),
        ("optimizer_states/0/state", {}, "optimizer_states.0.state is empty"),
        (STATE + "exp_avg", torch.zeros(3), "optimizer_states.0.state.0.exp_avg is torch.float32"),
        (STATE + "exp_avg", ..., "optimizer_states.0.state.0.exp_avg is None"),
        (STATE + "step", torch.tensor(99.0), "optimizer_states.0.state.0.step is 99.0 .*0 to 6"),
        ("lr_schedulers", [], "lr_schedulers is 0 states"),
        ("lr_schedulers/0", {}, "lr_schedulers.0.*is missing"),
        ("lr_schedulers/0/last_epoch", 10**9, "lr_schedulers.0.last_epoch is"),
        (FIT_LOOP + "epoch_progress", 3, "loops.fit_loop.epoch_progress is 3"),
        (FIT_LOOP + "epoch_progress/current/ready", 10**9, "loops.fit_loop.epoch_progress.current is"),
        (FIT_LOOP + "epoch_loop.batch_progress/is_last_batch", 2, "is_last_batch is 2 .*allowed is a bool"),
        (FIT_LOOP + "state_dict/combined_loader", [{"epoch": 9, "served": 1}], "combined_loader is"),
        ("callbacks/RunCheckpoints", 5, "callbacks.RunCheckpoints is 5 .*allowed is a mapping"),
        ("callbacks/RunCheckpoints/best", [1.0], "callbacks.RunCheckpoints is .*a state of RunCheckpoints"),
        ("callbacks/TrainingFigures/images", "many", "callbacks.TrainingFigures.images is many"),
    ],
)
def test_each_field_is_named_with_what_is_allowed(resumed, field, value, message):
    run, cli = resumed
    with pytest.raises(CheckpointError, match=f"last.ckpt is not a checkpoint of this zoo: .*{message}") as caught:
        require(changed(run, field, value), run, cli)
    assert "allowed is" in str(caught.value)


def test_a_run_with_a_wrong_field_ends_with_status_2_and_keeps_its_files(resumed, zoo, tmp_path):
    run = Run(shutil.copytree(resumed[0].path, tmp_path / "run"))
    torch.save(changed(run, "callbacks/RunCheckpoints", 5), run.last)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert "callbacks.RunCheckpoints is 5" in error_of(zoo("fit", run.path, "--trainer.max_epochs", 3))
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_infinite_weights_are_refused_with_their_name(resumed, tmp_path):
    run = Run(shutil.copytree(resumed[0].path, tmp_path / "run"))
    checkpoint = torch.load(run.best, weights_only=True)
    name = next(iter(checkpoint["state_dict"]))
    checkpoint["state_dict"][name].view(-1)[0] = torch.inf
    torch.save(checkpoint, run.best)
    with pytest.raises(CheckpointError, match=rf"state_dict\.{name} holds infinite numbers"):
        package.load(run.path)
