"""Data that grew: a new run with the split and the weights of an old one is compared with it on the old test images."""

from __future__ import annotations

from typing import Any

from zoo.config.tested import tested
from zoo.core.errors import UserError, ZooError
from zoo.reports.mcnemar import compare_answers, read_answers
from zoo.runs.files import write_json
from zoo.runs.folder import Run


def compare_with_old(old: Run, new: Run) -> str:
    """Test both runs where they are not tested yet, and compare them on the test images that both have.

    The figures are added to the new run's results.json, as ``compared_with``.

    Returns:
        A sentence; of what was compared, or why nothing was: a training succeeds whatever happens here.
    """
    try:
        results, _ = tested(new), tested(old)
        for run in (old, new):
            if not run.predictions.is_file():
                raise UserError(f"{run.path} has no predictions.csv; write it with: zoo test {run.path}")
        before, after = read_answers(old.predictions), read_answers(new.predictions)
        common = [name for name, (label, _) in before.items() if name in after and after[name][0] == label]
        if not common:
            raise UserError("they were tested on different images")
        one, other = ({name: answers[name] for name in common} for answers in (before, after))
        difference = compare_answers(str(old.path), str(new.path), one, other)
        shares = [sum(label == top for label, top in answers.values()) / len(common) for answers in (one, other)]
        figures: dict[str, Any] = {"run": str(old.path), "images": len(common), "p": difference.p}
        figures |= {"old_accuracy": shares[0], "new_accuracy": shares[1]}
        write_json(new.results, results | {"compared_with": figures})
    except ZooError as error:
        return f"not compared with {old.path}: {error}"
    return f"accuracy on the test images of {old.path}: {shares[0]:.1%} before, {shares[1]:.1%} now; {difference}"
