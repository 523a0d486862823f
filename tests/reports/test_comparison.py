"""One page about several runs."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys

import pytest

from zoo.cli import main
from zoo.reports.page import read_figures


@pytest.fixture(scope="module")
def other_run(tmp_path_factory):
    """A run that differs from digits_run in its learning rate, its dropout and its epochs."""
    folder = tmp_path_factory.mktemp("other")
    words = ["fit", "--optimizer.lr", "0.01", "--model.architecture.dropout", "0.25", "--trainer.max_epochs", "2"]
    assert main([*words, "--trainer.default_root_dir", str(folder / "<b>runs")]) == 0
    return folder / "<b>runs" / "digits-lenet5" / "version_0"


def table(page, title):
    """Return the rows of a section's table, as their cells' texts."""
    section = re.search(rf"<section><h2>{title}</h2>.*?</section>", page, re.DOTALL)[0]
    lines = re.findall(r"<tr>(.*?)</tr>", section, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line) for line in lines]
    return {row[0]: row[1:] for row in cells}


def test_runs_are_compared_in_what_differs_and_what_they_reached(zoo, digits_run, other_run, tmp_path):
    status, out, err = zoo("report", digits_run, other_run, "--output", "both.html")
    assert status == 0, err
    assert out == "both.html\n"
    page = (tmp_path / "both.html").read_text()
    differing = table(page, "Configuration")
    assert differing.pop("trainer.default_root_dir")[1].endswith("&lt;b&gt;runs")
    assert differing.pop("run")  # the runs' names
    assert differing == {
        "optimizer.init_args.lr": ["0.001", "0.01"],
        "model.architecture.dropout": ["0.0", "0.25"],
        "trainer.max_epochs": ["3", "2"],
    }
    with (other_run / "metrics.csv").open(newline="") as file:
        best = max(float(row["val/accuracy"]) for row in csv.DictReader(file) if row["val/accuracy"])
    results = table(page, "Results")
    assert results["epochs"] == ["3", "2"]
    assert results["val/accuracy"][1] == f"{best:.4f}"
    assert results["val/calibration_error"][1] == f"{read_figures(other_run / 'report.html')['calibration_error']:.4f}"
    assert page.count("<svg ") == 5


def test_runs_of_one_name_are_told_apart_by_their_paths(zoo, digits_run, other_run, tmp_path):
    assert zoo("report", digits_run, other_run, "--output", "both.html")[0] == 0
    assert list(read_figures(tmp_path / "both.html")["runs"]) == [str(digits_run), str(other_run)]


def test_a_comparison_needs_no_data_and_no_network(digits_run, other_run, tmp_path):
    code = (
        "import sys; from zoo.cli import main; "
        f"assert main(['report', {str(digits_run)!r}, {str(other_run)!r}, '--output', 'both.html']) == 0; "
        "print(sorted({'torch', 'lightning'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[]"


def test_equal_configurations_differ_in_nothing(zoo, digits_run, tmp_path):
    shutil.copytree(digits_run, tmp_path / "copy")
    assert zoo("report", digits_run, "copy", "--output", "both.html")[0] == 0
    assert "Nothing differs." in (tmp_path / "both.html").read_text()


def test_two_runs_on_one_test_set_are_said_to_differ_by_chance_or_not(zoo, digits_run, other_run, tmp_path):
    for run in (digits_run, other_run):
        assert zoo("test", run)[0] == 0
    status, out, err = zoo("report", digits_run, other_run, "--output", "both.html")
    assert (status, out) == (0, "both.html\n")
    [figures] = read_figures(tmp_path / "both.html")["mcnemar"]
    verdict = "is hardly chance" if figures["p"] < 0.05 else "could be chance"
    assert "359 test images, right by" in err
    assert f"the difference {verdict} (McNemar, p = {figures['p']:.2g})" in err
    assert f"the difference {verdict} (McNemar, p = {figures['p']:.2g})" in (tmp_path / "both.html").read_text()


def test_without_a_page_the_difference_is_printed(zoo, digits_run, other_run, tmp_path):
    for run in (digits_run, other_run):
        assert zoo("test", run)[0] == 0
    status, out, err = zoo("report", digits_run, other_run)
    assert status == 0, err
    assert len(out.splitlines()) == 1
    assert "(McNemar, p = " in out
    assert err == "a page with curves, results and options: add --output FILE.html\n"
    assert not list(tmp_path.glob("*.html"))


def test_without_a_page_runs_that_cannot_be_tested_are_an_error(zoo, untested_run, other_run):
    status, out, err = zoo("report", untested_run, other_run)
    assert (status, out) == (2, "")
    assert err.endswith(f"has no predictions.csv; write it with: zoo test {untested_run}\n")


def test_a_run_that_was_not_tested_is_named_with_the_command(zoo, untested_run, other_run, tmp_path):
    status, _, err = zoo("report", untested_run, other_run, "--output", "both.html")
    assert status == 0
    assert f"has no predictions.csv; write it with: zoo test {untested_run}" in err
    assert f"zoo test {untested_run}" in (tmp_path / "both.html").read_text()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--output", "page.txt"), "allowed are names that end in .html"),
        (("--output", "nowhere/page.html"), "there is no folder nowhere"),
        (("--output", "page.html", "--data.root", "x"), "unknown option --data.root of a comparison"),
    ],
)
def test_a_comparison_that_cannot_be_is_one_line(zoo, digits_run, other_run, words, problem):
    status, _, err = zoo("report", digits_run, other_run, *words)
    assert status == 2
    assert problem in err
    assert len(err.splitlines()) == 1


def test_a_run_is_not_compared_with_itself(zoo, digits_run):
    status, _, err = zoo("report", digits_run, f"{digits_run}/", "--output", "page.html")
    assert status == 2
    assert "a run is given twice" in err
