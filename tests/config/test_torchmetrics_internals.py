"""All of torchmetrics works where zoo has imported it quickly; a new version that moves a part is named here."""

import subprocess
import sys
import textwrap

import pytest

#: Prints where every public name of torchmetrics comes from.
ORIGINS = """
    import torchmetrics
    from torchmetrics import functional
    for package in (torchmetrics, functional):
        for name in sorted(package.__all__):
            value = getattr(package, name)
            print(package.__name__, name, getattr(value, "__module__", ""), getattr(value, "__qualname__", ""))
    import torchmetrics.image, torchmetrics.functional.audio
    print(torchmetrics.image.PeakSignalNoiseRatio, functional.audio.signal_noise_ratio.__module__, torchmetrics.audio)
"""

QUICKLY = "from zoo.config.torchmetrics_internals import import_quickly; import_quickly()\n"


@pytest.fixture(scope="module")
def run():
    """Run a program in a process of its own that imports torchmetrics quickly, or as ever; return what it prints."""

    def _run(program, quickly=True):
        code = (QUICKLY if quickly else "") + textwrap.dedent(program)
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return _run


def test_every_public_name_comes_from_where_it_always_did(run):
    assert run(ORIGINS) == run(ORIGINS, quickly=False), "torchmetrics moved a part: read torchmetrics_internals anew"


def test_what_is_slow_is_not_imported_until_somebody_asks_for_it(run):
    printed = run("""
        import sys, torchmetrics
        from torchmetrics.classification import MulticlassAccuracy
        slow = {"scipy.signal", "torchvision", "matplotlib.pyplot"}
        print(sorted(slow & set(sys.modules)))
        torchmetrics.PeakSignalNoiseRatio
        print(sorted(slow & set(sys.modules)))
    """)

    first, after = printed.splitlines()
    assert first == "[]"
    assert "torchvision" in after


@pytest.mark.slow
def test_metrics_of_sounds_and_pictures_and_drawings_of_metrics_work_afterwards(run):
    printed = run("""
        import pickle, torch, torchmetrics, matplotlib
        matplotlib.use("agg")
        from torchmetrics import *
        from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix
        from torchmetrics.functional import peak_signal_noise_ratio, signal_noise_ratio
        one = torch.ones(1, 1, 4, 4)
        print(float(peak_signal_noise_ratio(one, 0 * one, data_range=1.0)))
        print(float(PeakSignalNoiseRatio(data_range=1.0)(one, 0 * one)))
        print(float(torchmetrics.audio.SignalNoiseRatio()(one[0, 0, 0], 2 * one[0, 0, 0])))
        metric = MulticlassAccuracy(3)
        metric.update(torch.tensor([0, 1]), torch.tensor([0, 1]))
        metric.plot()
        table = MulticlassConfusionMatrix(3)
        table.update(torch.tensor([0, 1]), torch.tensor([0, 1]))
        figure, axes = table.plot()
        print(type(figure).__name__, float(pickle.loads(pickle.dumps(metric)).compute()))
    """)

    assert printed.splitlines()[:2] == ["0.0", "0.0"]
    assert printed.splitlines()[3].startswith("Figure ")


def test_a_name_that_torchmetrics_does_not_have_is_an_attribute_error(run):
    assert "no attribute 'NoSuchMetric'" in run("""
        import torchmetrics
        try:
            torchmetrics.NoSuchMetric
        except AttributeError as error:
            print(error)
    """)
