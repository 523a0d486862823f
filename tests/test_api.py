"""zoo.fit trains as the command does, and TrainedRun holds what it leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
import yaml
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger
from support import assert_equal_weights

import zoo as package
from zoo.core.errors import CheckpointError, UserError

#: What leaves a few steps.
SHORT = {"limit_train_batches": 3, "limit_val_batches": 2}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one short epoch."""
    root = tmp_path_factory.mktemp("runs")
    return package.fit(model="lenet5", data="digits", trainer={**SHORT, "default_root_dir": root}, max_epochs=1)


def test_it_trains_the_same_as_the_command(zoo):
    run = package.fit(
        model={"architecture": {"name": "lenet5", "dropout": 0.2}, "mixup": 0.2},
        data={"dataset": "digits", "batch_size": 16},
        trainer=SHORT,
        optimizer={"class_path": "SGD", "init_args": {"lr": 0.1}},
        seed_everything=3,
        max_epochs=1,
        quiet=True,
    )
    words = "--model lenet5 --model.architecture.dropout 0.2 --model.mixup 0.2 --data digits --data.batch_size 16"
    words += " --optimizer SGD --optimizer.lr 0.1 --seed_everything 3 --trainer.max_epochs 1"
    assert zoo("fit", *words.split(), *(f"--trainer.{key}={value}" for key, value in SHORT.items()))[0] == 0
    other = run.path.parent / "version_1"
    assert_equal_weights(run.path, other)
    configs = [yaml.safe_load((path / "config.yaml").read_text()) for path in (run.path, other)]
    # An argument that the class's default does not name is written where it is asked for, and by --optimizer.lr too.
    assert configs[0]["model"] == configs[1]["model"]
    assert configs[0]["trainer"] == configs[1]["trainer"]


def test_a_run_says_what_it_measured(trained):
    [row] = trained.metrics
    assert row["epoch"] == 0
    assert 0 <= row["val/accuracy"] <= 1
    assert trained.report.is_file()
    assert trained.load().spec.classes == tuple("0123456789")


def test_it_is_tested_and_validated(trained):
    assert trained.results == {}
    measured = trained.test(trainer={"limit_test_batches": 1})
    assert trained.results["test/accuracy"] == pytest.approx(measured["test/accuracy"])
    assert "val/accuracy" in trained.validate(data={"batch_size": 8})


def test_it_exports(trained):
    assert trained.export() == trained.path / "model.onnx"
    assert (trained.path / "model.onnx").is_file()


def test_it_resumes(trained):
    run = package.fit(resume=trained, max_epochs=2, quiet=True)
    assert run == trained
    assert len(run.metrics) == 2


def test_a_named_run_starts_once_and_then_resumes(folder):
    for epochs in (1, 2):
        run = package.fit(run="first", trainer=SHORT, max_epochs=epochs, quiet=True)
        assert run.path == Path("runs/first")
        assert len(run.metrics) == epochs
    with pytest.raises(UserError, match=r"was trained with data\.batch_size 32 .*, received 8"):
        package.fit(run="first", data={"batch_size": 8})
    with pytest.raises(UserError, match="both say which run"):
        package.fit(run="first", resume=run)


def test_a_run_that_is_there_opens(trained):
    assert package.TrainedRun(str(trained.path)) == trained
    with pytest.raises(UserError, match="nowhere is not a run folder"):
        package.TrainedRun(Path("nowhere"))


def test_arguments_win_over_the_config_file(folder):
    (folder / "recipe.yaml").write_text("model: cnn\ndata: {batch_size: 8}\ntrainer: {max_epochs: 5}\n")
    run = package.fit(config="recipe.yaml", model="lenet5", trainer=SHORT, max_epochs=1, quiet=True)
    config = yaml.safe_load((run.path / "config.yaml").read_text())
    assert config["model"]["architecture"]["name"] == "lenet5"
    assert config["data"]["batch_size"] == 8
    assert config["trainer"]["max_epochs"] == 1


def test_callbacks_run_beside_zoos_own():
    class Count(Callback):
        steps, accuracies = 0, ()

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            self.steps += 1

        def on_validation_end(self, trainer, pl_module):
            self.accuracies += (float(trainer.callback_metrics["val/accuracy"]),)

    count = Count()
    run = package.fit(trainer=SHORT, max_epochs=2, callbacks=[count], quiet=True)
    assert count.steps == 6
    assert [row["val/accuracy"] for row in run.metrics] == pytest.approx(count.accuracies)


def test_quiet_prints_nothing_in_a_process_that_has_not_imported_lightning(folder):
    code = f"import zoo; zoo.fit(trainer={SHORT}, max_epochs=1, quiet=True)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_quiet_prints_nothing(capfd):
    package.fit(trainer=SHORT, max_epochs=1, quiet=True)
    assert capfd.readouterr() == ("", "")


def test_lightning_says_nothing_that_zoo_says_itself(capfd):
    package.fit(trainer=SHORT, max_epochs=1)
    out, err = capfd.readouterr()
    assert "epoch 1/1" in out
    assert "GPU available" not in err
    assert "stopped" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "lenet6"}, "unknown architecture 'lenet6'; did you mean 'lenet5'"),
        (
            {"model": {"architecture": {"name": "lenet5", "dropuot": 1}}},
            r"unknown key 'model.architecture.dropuot'",
        ),
        ({"model": 3}, "model"),
        ({"data": {"batch_size": "many"}}, r"data\.batch_size in zoo\.fit: received 'many'; allowed is int"),
        ({"data": {"batch_size": 0}}, r"data\.batch_size is 0; allowed is 1 or more"),
        ({"trainer": {"max_epoch": 3}}, r"unknown key 'trainer\.max_epoch' in zoo\.fit; did you mean"),
        ({"trainer": {"max_epochs": 3}, "max_epochs": 3}, "max_epochs is 3, and trainer is .*; give one of them"),
        ({"trainer": {"logger": CSVLogger(".")}}, "received <.*CSVLogger.*; a run records its sections"),
        ({"callbacks": [3]}, "callbacks: received 3; allowed are objects of lightning's Callback"),
        ({"seed_everything": -1}, "seed_everything is -1; allowed is 0 to"),
        ({"config": "nothing.yaml"}, r"config file nothing\.yaml cannot be read"),
        ({"resume": "nowhere"}, "nowhere is not a run folder"),
        ({"ckpt_path": "no.ckpt"}, r"checkpoint no\.ckpt does not exist"),
        ({"lr": 0.1}, r"unknown argument 'lr'; did you mean optimizer=\{'lr': \.\.\.\}\?"),
        ({"epochs": 3}, r"unknown argument 'epochs'; did you mean max_epochs=\.\.\.\?"),
        ({"batch_size": 3}, r"did you mean data=\{'batch_size': \.\.\.\}\?"),
        ({"dropout": 0.1}, r"did you mean model=\{'architecture': \{'dropout': \.\.\.\}\}\?"),
        ({"optimiser": "SGD"}, "unknown argument 'optimiser'; did you mean 'optimizer'"),
    ],
)
def test_what_cannot_work_raises_one_line_and_leaves_nothing(arguments, message, folder):
    with pytest.raises(UserError, match=message) as caught:
        package.fit(**{"trainer": {"max_epochs": 1}, **arguments})
    assert "\n" not in str(caught.value)
    assert not (folder / "runs").exists()


def test_a_resumed_run_keeps_what_it_was_trained_with(trained):
    with pytest.raises(UserError, match=r"keeps what it was trained with, --data\.batch_size included"):
        package.fit(resume=trained, data={"batch_size": 8})


def test_a_run_without_a_checkpoint_says_so(trained, folder):
    (folder / "config.yaml").write_bytes((trained.path / "config.yaml").read_bytes())
    with pytest.raises(CheckpointError, match="no checkpoint"):
        package.TrainedRun(folder).test()


@pytest.mark.filterwarnings("ignore")  # a thread must not change the process's filters
def test_a_thread_trains_and_the_hosts_handlers_stay(folder):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    runs, main = [], package.fit(trainer=SHORT, max_epochs=1, quiet=True)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    thread = threading.Thread(target=lambda: runs.append(package.fit(trainer=SHORT, max_epochs=1, quiet=True)))
    thread.start()
    thread.join()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert_equal_weights(main.path, runs[0].path)


class Interrupt(Callback):
    """Sends Ctrl-C, once or twice, in the second step."""

    def __init__(self, times: int) -> None:
        self.times = times

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        for _ in range(self.times if trainer.global_step == 1 else 0):
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_saves_and_raises_keyboard_interrupt(capfd):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        package.fit(trainer=SHORT, max_epochs=1, callbacks=[Interrupt(1)], quiet=True)
    assert signal.getsignal(signal.SIGINT) is before
    path = Path("runs/digits-lenet5/version_0")
    saved = f"saved: {path}/checkpoints/last.ckpt; resume with: zoo fit {path}"
    assert f"interrupted at step 2; {saved}" in capfd.readouterr().err
    assert len(package.fit(resume=path, quiet=True, trainer={"max_epochs": 1}).metrics) == 1


def test_a_second_ctrl_c_does_not_end_the_host_process():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        package.fit(trainer=SHORT, max_epochs=1, callbacks=[Interrupt(2)], quiet=True)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_script_needs_no_main_guard(folder):
    """Processes that read images are started in it: nothing is held in memory."""
    script = """
        import zoo
        data = {"memory_gib": 0, "num_workers": 2}
        run = zoo.fit(data=data, trainer={"limit_train_batches": 3, "limit_val_batches": 2}, max_epochs=1)
        print(len(run.metrics), run.load().predict([__import__("numpy").zeros((8, 8, 1), "uint8")])[0][0][0])
    """
    (folder / "script.py").write_text(textwrap.dedent(script))
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("1 ")
    assert done.stdout.count("epoch 1/1") == 1
