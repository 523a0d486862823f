"""Learning rates and batch sizes to begin with, which leave nothing behind."""

from __future__ import annotations

import pytest


def found(out):
    """Return the option that the last line names, and its value."""
    return out.splitlines()[-1].removeprefix("use it with: ").split()


def test_the_learning_rate_found_trains_better_than_a_tenth_and_ten_times_it(zoo, tmp_path):
    status, out, err = zoo("find", "lr", "--data", "digits", "--plot", "rates.png")
    assert status == 0
    assert err.splitlines()[0].startswith("learning rate 1.0e-05: val loss 2.")
    assert len(err.splitlines()) < 11  # two rates that are worse end the search
    option, value = found(out)
    assert option == "--optimizer.lr"
    assert [path.name for path in tmp_path.iterdir()] == ["rates.png"]
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")
    losses = []
    for factor in (1, 0.1, 10):
        _, out, _ = zoo("fit", option, float(value) * factor, "--trainer.max_epochs", 2)
        losses.append(float(out.split("val loss ")[-1].split()[0]))
    assert min(losses) == losses[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "best"),
    [
        (("--optimizer", "Adam"), 0.003),
        (("--optimizer", "SGD"), 0.3),
        (("--optimizer", "SGD", "--optimizer.momentum", 0.9), 0.01),
    ],
)
def test_the_learning_rate_of_real_images_is_within_a_factor_3_of_the_best_of_a_grid(zoo, real_data, options, best):
    """The best of 1e-4, 3e-4 ... 1 after two epochs, by the validation loss of seed 0."""
    status, out, err = zoo("find", "lr", "--data", "fashion_mnist", *options)
    assert status == 0, err
    assert best / 3 < float(found(out)[1]) < 3 * best


def test_the_schedule_is_left_out_and_the_steps_can_be_chosen(zoo):
    options = ("--lr_scheduler", "OneCycleLR", "--lr_scheduler.max_lr", 0.1, "--trainer.max_steps", 7)
    status, _, err = zoo("find", "lr", "--optimizer", "SGD", *options)
    assert status == 0, err
    assert "learning rate 3.2e-01: val loss" in err
    assert "after 7 steps" in err


def test_the_best_rate_lies_between_those_tried():
    from zoo.cli.tuning import _lowest

    parabola = {10.0**power: 2.0 ** ((power + 2.2) ** 2) for power in range(-5, 1)}
    assert _lowest(parabola) == pytest.approx(10**-2.2)
    assert _lowest({0.1: 1.0, 1.0: 2.0}) == 0.1


def test_the_batch_size_is_the_largest_that_was_tried(zoo, tmp_path):
    status, out, err = zoo("find", "batch_size", "--trainer.accelerator", "cpu")
    assert (status, err) == (0, "")
    assert found(out) == ["--data.batch_size", "256"]
    assert not list(tmp_path.iterdir())


def test_a_batch_that_does_not_fit_in_memory_is_not_taken(zoo, monkeypatch):
    from zoo.training.task import ImageClassifier

    step = ImageClassifier.training_step

    def small(self, batch, number):
        if len(batch[1]) > 16:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return step(self, batch, number)

    monkeypatch.setattr(ImageClassifier, "training_step", small)
    status, out, err = zoo("find", "batch_size")
    assert status == 0, err
    assert found(out) == ["--data.batch_size", "16"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("colour",), "received 'colour'; allowed are lr and batch_size"),
        ((), "the following arguments are required: lr|batch_size"),
        (("batch_size", "--plot", "a.png"), "--plot draws the losses of learning rates"),
        (("lr", "--plot", "a.txt"), "--plot is 'a.txt'; allowed are names that end in"),
        (("lr", "--model.layer_decay", 0.5), "leave --model.layer_decay out"),
        (("lr", "runs/a"), "unexpected word 'runs/a'"),
    ],
)
def test_what_cannot_be_found_is_an_error(zoo, words, text):
    status, _, err = zoo("find", *words)
    assert status == 2
    assert text in err
