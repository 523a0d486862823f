"""No command line, config file, checkpoint, image or ONNX file makes a command fail in another way than by one line.

Of each family a few cases run here, and 4,000 nightly: 20,000 altogether. What has failed once is in test_corpus.py.
"""

from __future__ import annotations

import pytest
from fuzz.checkpoint_files import checkpoint_files
from fuzz.command_lines import command_lines
from fuzz.config_files import config_files
from fuzz.image_files import image_files
from fuzz.onnx_files import onnx_files
from fuzz.rules import problems
from hypothesis import HealthCheck, Phase, given, seed, settings

FAMILIES = {
    "command lines": lambda workshop: command_lines,
    "config files": config_files,
    "checkpoints": checkpoint_files,
    "images": lambda workshop: image_files,
    "onnx files": onnx_files,
}

FEW, PIECE, PIECES = 15, 500, 8

#: Pytest makes an error of each warning, which a command prints or drops.
pytestmark = pytest.mark.filterwarnings("default")


def run(sandbox, workshop, family, count, number):
    """Run so many cases of a family; those of one number are the same in each run."""

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(FAMILIES[family](workshop))
    def test(case):
        outcome = sandbox.run(case)
        assert not problems(case, outcome), (problems(case, outcome), case.argv, outcome)

    test()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_few_cases_of_each_family_end_in_one_line(sandbox, workshop, family):
    run(sandbox, workshop, family, FEW, 0)


@pytest.mark.slow
@pytest.mark.parametrize("piece", range(PIECES))
@pytest.mark.parametrize("family", FAMILIES)
def test_thousands_of_cases_end_in_one_line(sandbox, workshop, family, piece):
    run(sandbox, workshop, family, PIECE, 1 + piece)
