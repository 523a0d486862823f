"""One page about several runs."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml

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


@pytest.fixture(scope="module")
def groups(digits_model, tmp_path_factory):
    """Two groups of two seeds, and one of two folds, made of a tested run by other figures and configurations."""
    root = tmp_path_factory.mktemp("groups")
    config = yaml.safe_load((digits_model.parent / "config.yaml").read_text())
    for number, (name, freeze) in enumerate([("seeds_0", None), ("seeds_1", 1), ("folds_0", None), ("folds_1", 1)]):
        kind = name[:4]
        for place in (1, 2):
            run = shutil.copytree(digits_model.parent, root / "digits-lenet5" / name / f"{kind}_{place}")
            own = {"seed_everything": place} if kind == "seed" else {}
            data = {"folds": 2, "fold": place} if kind == "fold" else {}
            changed = config | own | {"data": config["data"] | data, "model": config["model"] | {"freeze": freeze}}
            (run / "config.yaml").write_text(yaml.safe_dump(changed))
            accuracy = 0.9 + number / 100 + place / 1000
            (run / "results.json").write_text(json.dumps({"test/accuracy": accuracy, "images": 2}))
            rows = [f"{kind}{place if kind == 'fold' else 0}-{image},a,{'ab'[number % 2]}\n" for image in range(10)]
            (run / "predictions.csv").write_text("path,label,prediction\n" + "".join(rows))
        content = {"seeds": [1, 2]} if kind == "seed" else {"folds": [1, 2]}
        (root / "digits-lenet5" / name / "group.json").write_text(json.dumps(content))
    return root / "digits-lenet5"


def test_groups_of_seeds_are_compared_by_their_means(zoo, groups):
    status, out, err = zoo("report", groups / "seeds_0", groups / "seeds_1")
    assert status == 0, err
    lines = out.splitlines()
    assert lines[0] == "digits-lenet5/seeds_0, 2 runs (seeds 1, 2): test/accuracy 0.9015 ± 0.0007"
    assert lines[1] == "digits-lenet5/seeds_1, 2 runs (seeds 1, 2): test/accuracy 0.9115 ± 0.0007"
    assert re.search(r"of 2 and 2 runs; the difference is hardly chance \(Welch's t-test, p = 0.0\d+\)", lines[2])
    assert len(lines) == 3


def test_folds_are_compared_as_one_network_that_answered_for_every_image(zoo, groups):
    status, out, err = zoo("report", groups / "folds_0", groups / "folds_1")
    assert status == 0, err
    assert "20 test images, right by digits-lenet5/folds_0 alone: 20, by digits-lenet5/folds_1 alone: 0" in out
    assert len(out.splitlines()) == 3


def test_one_group_of_folds_alone_has_its_mean(zoo, groups):
    status, out, err = zoo("report", groups / "folds_0")
    assert status == 0, err
    assert out == "digits-lenet5/folds_0, 2 runs (folds 1, 2): test/accuracy 0.9215 ± 0.0007\n"


def test_the_page_has_a_column_for_each_group_and_their_runs_below(zoo, groups, tmp_path):
    assert zoo("report", groups / "seeds_0", groups / "seeds_1", "--output", "groups.html")[0] == 0
    page = (tmp_path / "groups.html").read_text(encoding="utf-8")
    assert table(page, "Groups")["test/accuracy"] == ["0.9015 ± 0.0007", "0.9115 ± 0.0007"]
    assert table(page, "Results")["test/accuracy"] == ["0.9010", "0.9020", "0.9110", "0.9120"]
    differing = table(page, "Configuration")
    assert differing.pop("run") == ["digits-lenet5/seeds_0", "digits-lenet5/seeds_1"]
    assert differing == {"model.freeze": ["None", "1"]}


def test_two_runs_that_differ_in_their_seed_are_compared_with_each_other_too(zoo, groups):
    status, out, err = zoo("report", groups / "seeds_0" / "seed_1", groups / "seeds_0" / "seed_2")
    assert status == 0, err
    assert "10 test images, right by seeds_0/seed_1 alone: 0, by seeds_0/seed_2 alone: 0" in out
