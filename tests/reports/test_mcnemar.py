"""McNemar's test of two runs' predictions, and the pairs it refuses."""

from __future__ import annotations

import pytest

from zoo.core.errors import UserError
from zoo.reports.mcnemar import differences
from zoo.runs.folder import Run


@pytest.fixture
def tested(tmp_path):
    """Make a run with predictions of images of class a: 1 where it is right, 0 where not."""

    def make(name, right, label="a", first=0):
        (tmp_path / name).mkdir()
        lines = [f"{number + first}.png,{label},{'a' if one else 'b'}" for number, one in enumerate(right)]
        (tmp_path / name / "predictions.csv").write_text("\n".join(["path,label,prediction", *lines]) + "\n")
        return Run(tmp_path / name)

    return make


def test_p_is_that_of_the_binomial_distribution(tested):
    runs = tested("x", [1] * 10 + [0] * 10 + [1]), tested("y", [1] * 10 + [1] * 9 + [0, 0])
    [difference], reasons = differences(runs, ("x", "y"))
    assert (difference.images, difference.only_first, difference.only_second) == (21, 1, 9)
    assert difference.p == pytest.approx(2 * (1 + 10) / 2**10)
    assert reasons == []
    assert str(difference) == (
        "21 test images, right by x alone: 1, by y alone: 9; the difference is hardly chance (McNemar, p = 0.021)"
    )


@pytest.mark.parametrize(("ours", "theirs", "p"), [([1, 0], [1, 0], 1), ([1, 0], [0, 1], 1), ([1, 1], [0, 1], 1)])
def test_few_differing_images_could_be_chance(tested, ours, theirs, p):
    [difference], _ = differences((tested("x", ours), tested("y", theirs)), ("x", "y"))
    assert difference.p == pytest.approx(p)
    assert "the difference could be chance" in str(difference)


def test_the_order_of_the_images_does_not_matter(tested):
    x, y = tested("x", [1, 1, 0]), tested("y", [1, 1, 0])
    lines = y.predictions.read_text().splitlines()
    y.predictions.write_text("\n".join([lines[0], *reversed(lines[1:])]))
    [difference], _ = differences((x, y), ("x", "y"))
    assert (difference.only_first, difference.only_second) == (0, 0)


def test_each_pair_of_several_runs_is_tested(tested):
    runs = [tested(name, [1, 0]) for name in "xyz"]
    results, _ = differences(runs, "xyz")
    assert [(one.first, one.second) for one in results] == [("x", "y"), ("x", "z"), ("y", "z")]


def test_runs_on_other_images_or_labels_are_not_tested(tested):
    runs = tested("x", [1, 1]), tested("y", [1, 1, 0], first=1), tested("z", [1, 1], label="b")
    results, reasons = differences(runs, "xyz")
    assert results == []
    assert reasons == [
        "x and y were tested on different images: 2 and 3, 1 of them the same",
        "x and z were tested with different labels of 2 images",
        "y and z were tested on different images: 3 and 2, 1 of them the same",
    ]


def test_a_run_without_predictions_is_named(tested, tmp_path):
    results, reasons = differences((tested("x", [1]), Run(tmp_path / "y")), "xy")
    assert (results, reasons) == ([], [f"y has no predictions.csv; write it with: zoo test {tmp_path / 'y'}"])


def test_a_damaged_table_is_named(tested):
    x, y = tested("x", [1]), tested("y", [1])
    y.predictions.write_text("path,label\na,b\n")
    with pytest.raises(UserError, match=r"y/predictions\.csv is damaged: .*; write it anew with: zoo test .*y"):
        differences((x, y), "xy")
