"""The moving average of the weights is what a run keeps, and the weights go on beside it."""

from __future__ import annotations

import json

import pytest
import torch
from support import weights

import zoo as library
from zoo.config.run import opened
from zoo.core.errors import UserError
from zoo.training.ema import MovingAverage


@pytest.fixture(scope="module")
def averaged(tmp_path_factory):
    """A run with a moving average, trained for two epochs."""
    from zoo.cli import main

    folder = tmp_path_factory.mktemp("averaged")
    words = ["fit", "--model.ema", "0.9", "--trainer.max_epochs", "2", "--trainer.default_root_dir", str(folder)]
    assert main(words) == 0
    return folder / "digits-lenet5" / "version_0"


def saved(run, name="last"):
    return torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)


def test_a_checkpoint_holds_the_average_and_the_weights_that_training_goes_on_from(averaged, digits_run):
    checkpoint = saved(averaged)
    average, raw = checkpoint["state_dict"], checkpoint["current_model_state"]
    assert average.keys() == raw.keys() == weights(digits_run).keys()
    assert not any(torch.equal(average[key], raw[key]) for key in average)
    assert all(torch.allclose(average[key], raw[key], atol=0.2) for key in average)


def test_the_weights_themselves_train_as_without_an_average(averaged, zoo, tmp_path):
    assert zoo("fit", "--trainer.max_epochs", 2)[0] == 0
    plain = weights(tmp_path / "runs" / "digits-lenet5" / "version_0")
    raw = saved(averaged)["current_model_state"]
    assert all(torch.equal(plain[key], raw[key]) for key in plain)


def test_the_average_is_the_formula_over_every_step(zoo, tmp_path, monkeypatch):
    steps = []
    update = MovingAverage.on_train_batch_end

    def keep(self, trainer, module, *rest):
        steps.append({key: value.clone() for key, value in module.state_dict().items()})
        update(self, trainer, module, *rest)

    monkeypatch.setattr(MovingAverage, "on_train_batch_end", keep)
    assert zoo("fit", "--model.ema", 0.5, "--trainer.max_epochs", 1)[0] == 0
    expected = steps[0]
    for number, now in enumerate(steps[1:], 1):
        decay = min(0.5, (1 + number) / (10 + number))
        expected = {key: decay * expected[key] + (1 - decay) * now[key] for key in now}
    found = weights(tmp_path / "runs" / "digits-lenet5" / "version_0")
    assert all(torch.allclose(found[key], expected[key], atol=1e-6) for key in found)


def test_what_is_validated_tested_loaded_and_exported_is_the_average(averaged, zoo):
    best = saved(averaged, "best")
    loaded = library.load(averaged).state_dict()
    assert all(torch.equal(loaded[key], best["state_dict"][key]) for key in loaded)
    assert zoo("test", averaged)[0] == 0
    found = json.loads((averaged / "results.json").read_text())["test/accuracy"]
    data, accuracies = library.create_dataset("digits", ".", "test"), {}
    for name in ("state_dict", "current_model_state"):
        classifier = library.load(averaged)
        classifier.load_state_dict(best[name])
        with torch.inference_mode():
            guesses = classifier(torch.from_numpy(data.images)).argmax(dim=1).numpy()
        accuracies[name] = float((guesses == data.labels).mean())
    assert found == pytest.approx(accuracies["state_dict"])
    assert found != pytest.approx(accuracies["current_model_state"])
    cli = opened("validate", [str(averaged)])
    cli.trainer.validate(cli.model, cli.datamodule, verbose=False)
    accuracy = best["callbacks"]["RunCheckpoints"]["best"][0]
    assert float(cli.trainer.callback_metrics["val/accuracy"]) == pytest.approx(accuracy)
    status, _, err = zoo("export", averaged)
    assert status == 0, err


@pytest.mark.parametrize("decay", [0, 1, -0.5])
def test_a_decay_outside_its_range_is_an_error(zoo, tmp_path, decay):
    status, _, err = zoo("fit", "--model.ema", decay)
    assert status == 2
    assert f"model.ema is {float(decay)}; allowed is more than 0 and less than 1" in err
    assert not (tmp_path / "runs" / "digits-lenet5").exists()


def test_weights_in_half_precision_are_refused():
    with pytest.raises(UserError, match=r"trainer\.precision is bf16-true"):
        MovingAverage(0.9, "bf16-true")


def test_an_average_with_batch_normalisation_trains_on_real_images(zoo, real_data):
    network = ("--model", "torchvision/resnet18", "--model.ema", 0.9, "--data", "fashion_mnist")
    limits = ("--trainer.limit_train_batches", 20, "--trainer.limit_val_batches", 5, "--trainer.max_epochs", 1)
    status, out, err = zoo("fit", *network, *limits, "--data.batch_size", 16)
    assert status == 0, err
    assert float(out.split("val accuracy ")[1].split("%")[0]) > 15
