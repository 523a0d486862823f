"""Each private part of Lightning that zoo uses is where it was, and does what it did."""

from __future__ import annotations

import ast
import hashlib
import inspect
from pathlib import Path

import lightning
import pytest
import torch
from lightning.pytorch.loops.fit_loop import _FitLoop
from lightning.pytorch.loops.optimization.automatic import Closure, _AutomaticOptimization
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.trainer.connectors.checkpoint_connector import _CheckpointConnector
from lightning.pytorch.trainer.connectors.logger_connector import _LoggerConnector

from zoo.training import lightning_internals
from zoo.training.lightning_internals import READ_IN, RESTORED, EpochLoop, HookNameModule, name_hook

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning", "ignore:.*does not have many workers")

#: The loop's methods and properties that EpochLoop and FastTrainingLoop use, and what they rely on.
LOOP_PARTS = {
    "advance": "FastTrainingLoop runs a direct step in its place",
    "on_run_start": "FastTrainingLoop lists the callbacks there, once an epoch",
    "batch_idx": "take_batch counts the batches by it",
    "update_lr_schedulers": "step_schedulers calls it",
    "_broadcast_sigterm_tensor": "EpochLoop leaves out this message between processes, of each step",
    "_num_ready_batches_reached": "step_schedulers asks it whether the epoch is over",
    "update_restart_stage": "EpochLoop counts the step after which a checkpoint was saved there",
    "reset_restart_stage": "EpochLoop forgets there that Lightning would take what follows for done",
    "_should_check_val_fx": "EpochLoop asks it whether a validation was due when the checkpoint was saved",
    "_is_training_done": "EpochLoop asks it whether another step follows the one after which it resumes",
    "_should_accumulate": "EpochLoop asks it whether the last batch was a step",
}

#: The same of the loop over epochs and FitLoop.
FIT_LOOP_PARTS = {
    "restarting": "FitLoop resumes inside an epoch only where it is not over",
    "load_state_dict": "FitLoop lets an epoch go on that was cut",
    "update_restart_stage": "FitLoop steps plateau schedules there",
    "resumed_on_epoch_end": "FitLoop asks it whether the checkpoint was saved at the end of an epoch",
    "on_advance_end": "FitLoop steps plateau schedules in a resumed epoch too",
    "done": "FitLoop lets what follows the last step come first",
    "on_save_checkpoint": "FitLoop adds the figures of the last validation",
    "on_load_checkpoint": "FitLoop restores these figures",
}

#: The first digits of the SHA-256 of the source of what FastTrainingLoop does otherwise, and zoo's loops go by.
SOURCES = {
    _TrainingEpochLoop.advance: "c7555c016027bd73",
    _AutomaticOptimization.run: "385b43732ecc8af3",
    Closure.closure: "9fb9a0ba9c7be69a",
    _FitLoop.on_advance_end: "a87ac6110b43c573",
    _FitLoop.reset: "ee34bf3662fe2739",
    _TrainingEpochLoop.reset: "0014631aabe0ac52",
    _TrainingEpochLoop.on_advance_end: "2d1ddaa4e45ef5c6",
}


def moved(what):
    """Return what a test says when a part is not where it was."""
    return (
        f"lightning {lightning.__version__} moved {what}; zoo.training.lightning_internals was written by {READ_IN}: "
        "read the new source, and change that module and this test"
    )


@pytest.mark.parametrize("name", LOOP_PARTS)
def test_the_epoch_loop_has_the_parts_that_the_fast_loop_uses(name):
    assert hasattr(_TrainingEpochLoop, name), moved(f"_TrainingEpochLoop.{name} ({LOOP_PARTS[name]})")


@pytest.mark.parametrize("name", FIT_LOOP_PARTS)
def test_the_loop_over_epochs_has_the_parts_by_which_a_run_resumes(name):
    assert hasattr(_FitLoop, name), moved(f"_FitLoop.{name} ({FIT_LOOP_PARTS[name]})")


@pytest.mark.parametrize("name", RESTORED)
def test_what_is_being_restored_is_the_name_of_a_method(name):
    assert hasattr(_CheckpointConnector, name), moved(f"_CheckpointConnector.{name} (restored_field looks for it)")
    assert inspect.getsourcefile(_CheckpointConnector).endswith("checkpoint_connector.py"), moved("its file")


@pytest.mark.parametrize("function", SOURCES, ids=lambda function: function.__qualname__)
def test_lightnings_loops_are_those_that_zoos_stand_in_for(function):
    digest = hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:16]
    assert digest == SOURCES[function], moved(f"{function.__qualname__} (its source is now {digest})")


@pytest.mark.parametrize("name", ["on_batch_start", "on_batch_end", "update_train_step_metrics"])
def test_the_logger_connector_has_the_parts_that_take_and_finish_a_batch(name):
    assert callable(getattr(_LoggerConnector, name, None)), moved(f"_LoggerConnector.{name}")


def test_a_trainer_has_its_loop_and_connector_where_they_are_replaced_and_called():
    trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    assert isinstance(trainer.fit_loop, _FitLoop), moved("Trainer.fit_loop")
    assert isinstance(trainer.fit_loop.epoch_loop, _TrainingEpochLoop), moved("_FitLoop.epoch_loop")
    assert isinstance(trainer._logger_connector, _LoggerConnector), moved("Trainer._logger_connector")
    EpochLoop.install(trainer)
    loop = trainer.fit_loop.epoch_loop
    assert isinstance(loop, EpochLoop)
    assert trainer._logger_connector._callback_metrics == {}, moved("_LoggerConnector._callback_metrics")
    assert not loop._results, moved("_TrainingEpochLoop._results, empty while nothing is logged")
    assert not loop.restarting, moved("_Loop.restarting")
    for count in ("increment_ready", "increment_started", "increment_processed", "increment_completed"):
        assert callable(getattr(loop.batch_progress, count, None)), moved(f"_BatchProgress.{count}")
    counts = loop.automatic_optimization.optim_progress.optimizer
    for progress in (counts.step, counts.zero_grad):
        assert callable(getattr(progress, "increment_completed", None)), moved("_OptimizerProgress's counts")


class Logging(HookNameModule):
    """Notes under which hook Lightning runs its step."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.hooks = []

    def training_step(self, batch, batch_idx):
        self.hooks.append(self._current_fx_name)
        self.log("loss", 1.0)
        return self.layer(batch[0]).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_lightning_names_the_hook_that_runs_in_the_attribute_that_zoo_sets_quickly(tmp_path):
    module = Logging()
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(4, 2)), batch_size=2)
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", default_root_dir=tmp_path, **off)
    trainer.fit(module, data)
    assert module.hooks == ["training_step"] * 2, moved("LightningModule._current_fx_name")
    assert "_current_fx_name" in vars(module), moved("LightningModule._current_fx_name")
    name_hook(module, "of a test")
    assert module._current_fx_name == "of a test"


def test_a_fetcher_gives_the_batch_first_and_tells_when_it_is_done():
    fetcher = lightning_internals.DataFetcher()
    assert hasattr(fetcher, "done"), moved("_DataFetcher.done")


def test_nothing_else_in_zoo_touches_a_private_part():
    """Neither by an import of a private name nor by a private attribute of a trainer, a loop or a connector."""
    folder = Path(lightning_internals.__file__).parent.parent
    found = []
    for path in folder.rglob("*.py"):
        if path.name == "lightning_internals.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("lightning", "torchmetrics")):
                found += [f"{path.name}: {alias.name}" for alias in node.names if alias.name.startswith("_")]
            private = isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
            if private and ast.unparse(node.value).endswith(("trainer", "_loop", "connector", "pl_module")):
                found.append(f"{path.name}: {ast.unparse(node)}")
    assert found == []
