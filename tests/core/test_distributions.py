"""Broken metadata of one installed package is named, and every command works."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from zoo.core import distributions, registry
from zoo.core.distributions import all_broken, hide_broken, scan_distributions
from zoo.core.errors import UserError

POINTS = b"[zoo.losses]\nodd = odd_module:odd\n"


@pytest.fixture
def broken(install, monkeypatch):
    """Install a distribution whose files have the given contents."""

    def add(metadata=b"Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n", points=POINTS):
        install("odd", "")
        info = Path(sys.path[0], "odd-1.0.dist-info")
        (info / "METADATA").write_bytes(metadata)
        (info / "entry_points.txt").write_bytes(points)
        registry.refresh()

    monkeypatch.setattr(distributions, "_hidden", set())
    finder = importlib.metadata.MetadataPathFinder
    monkeypatch.setattr(finder, "find_distributions", finder.find_distributions)
    return add


KINDS = {
    "no name": ({"metadata": b"Metadata-Version: 2.1\nVersion: 1.0\n"}, "METADATA has no Name"),
    "no version": ({"metadata": b"Metadata-Version: 2.1\nName: odd\n"}, "METADATA has no Version"),
    "binary": ({"metadata": bytes(range(256))}, "METADATA cannot be read (it is not UTF-8)"),
    "no value": ({"points": b"[zoo.losses]\nodd\n"}, "entry_points.txt, line 2 is 'odd'; allowed is NAME"),
    "empty value": ({"points": b"[zoo.losses]\nodd =\n"}, "entry_points.txt, line 2 is 'odd ='; allowed is NAME"),
    "another group": ({"points": b"[console_scripts]\nodd\n"}, "entry_points.txt, line 2 is 'odd'; allowed is NAME"),
    "not UTF-8": ({"points": b"[other]\na = \xff\n"}, "entry_points.txt cannot be read (it is not UTF-8)"),
}


@pytest.mark.parametrize(("files", "reason"), KINDS.values(), ids=KINDS)
def test_a_broken_distribution_is_named_and_left_out(zoo, broken, files, reason):
    broken(**files)
    status, out, err = zoo("list", "losses")
    assert status == 0
    assert " cross_entropy " in out
    assert " odd " not in out
    assert f"odd-1.0.dist-info is broken and left out: {reason}" in err


@pytest.mark.parametrize("points", [b"[console_scripts]\nodd\n", b"[other]\na = \xff\n"])
def test_other_packages_read_entry_points_beside_a_broken_distribution(broken, points):
    broken(points=points)
    with pytest.raises((TypeError, UnicodeDecodeError)):
        importlib.metadata.entry_points(group="torch.backends")
    hide_broken()
    assert importlib.metadata.entry_points(group="zoo.losses")


def test_what_registers_nothing_is_read_for_the_doctor_alone(broken):
    broken(metadata=b"Version: 1.0\n", points=b"")
    folder = str(Path(sys.path[0], "odd-1.0.dist-info"))
    assert folder not in [each.folder for each in scan_distributions().broken]
    assert folder in [each.folder for each in all_broken()]


def test_an_unknown_name_says_that_packages_are_left_out(broken):
    broken(metadata=b"Version: 1.0\n")
    with pytest.raises(UserError, match="broken metadata of 1 installed packages is left out: 'zoo doctor' names it"):
        registry.find("loss", "odd")
