"""Metrics by name, beside those of every run."""

from __future__ import annotations

import pytest
import torch

from zoo.core.errors import UserError
from zoo.runs.metrics import Monitor
from zoo.training.metrics import SplitMetrics

PARTS = """
import torch
from torchmetrics import MeanMetric, Metric

class Wrong(MeanMetric):
    def update(self, logits, labels): super().update((logits.argmax(1) != labels).float())
    higher_is_better = False

class Pair(Wrong):
    def compute(self): return torch.zeros(2)

class Raises(Wrong):
    def update(self, logits, labels): raise KeyError("key")

def wrong_error(spec): return Wrong()
def wrong(spec): return Wrong()
def pair_error(spec): return Pair()
def raises_error(spec): return Raises()
def number(spec): return 6
"""


@pytest.fixture
def own_metrics(install):
    names = ["wrong_error", "wrong", "pair_error", "raises_error", "number"]
    lines = "".join(f"{name} = own_metrics:{name}\n" for name in names)
    install("own-metrics", f"[zoo.metrics]\n{lines}", PARTS, "own_metrics")


def measure(metrics):
    """Return the figures of ten images of ten classes, of which the first eight are right."""
    labels = torch.arange(10)
    predictions = torch.where(labels < 8, labels, (labels + 1) % 10)
    metrics.update(10 * torch.nn.functional.one_hot(predictions, 10).float(), labels, torch.tensor(1.0))
    return metrics.compute_and_reset()


def test_a_metric_is_a_figure_beside_the_usual_ones(grey_spec):
    figures = measure(SplitMetrics(grey_spec, "val", ["kappa", "rank_error"]))
    assert sorted(figures) == sorted(
        ["val/accuracy", "val/f1", "val/kappa", "val/loss", "val/rank_error", "val/top5_accuracy"]
    )
    assert float(figures["val/accuracy"]) == pytest.approx(0.8)
    assert float(figures["val/rank_error"]) == pytest.approx(1.0)  # 8 is taken for 9, and 9 for 0


def test_an_option_changes_a_usual_metric(grey_spec):
    figures = measure(SplitMetrics(grey_spec, "val", {"name": "f1", "average": "micro"}))
    assert float(figures["val/f1"]) == pytest.approx(0.8)


def test_a_metric_of_a_plugin_counts_lower_values_as_better_by_its_name(grey_spec, own_metrics):
    assert float(measure(SplitMetrics(grey_spec, "test", "wrong_error"))["test/wrong_error"]) == pytest.approx(0.2)
    assert Monitor("val/wrong_error").better == "lower"


@pytest.mark.parametrize(
    ("name", "clause"),
    [
        ("number", r"breaks the contract: it must return a torchmetrics\.Metric, received int"),
        ("wrong", "breaks the contract: lower values are better, and a name ends in error or loss only where lower"),
        ("pair_error", r"breaks the contract: compute\(\) must return one number, received \(2,\)"),
        ("raises_error", "raises KeyError: 'key'"),
    ],
)
def test_a_metric_that_breaks_its_contract_is_named_with_its_distribution(grey_spec, own_metrics, name, clause):
    with pytest.raises(UserError, match=f"metric '{name}' of own-metrics 1.0 {clause}"):
        measure(SplitMetrics(grey_spec, "val", name))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (["kappa", "kappa"], r"model\.metrics lists 'kappa' twice"),
        ("kapa", "unknown metric 'kapa'; did you mean 'kappa'"),
        ([{"weights": "linear"}], r"model\.metrics has .*allowed is a name"),
        ({"name": "kappa", "weight": 1}, "metric 'kappa': .*its options are weights"),
    ],
)
def test_a_setting_that_names_no_metrics_is_an_error(grey_spec, setting, message):
    with pytest.raises(UserError, match=message):
        SplitMetrics(grey_spec, "val", setting)
