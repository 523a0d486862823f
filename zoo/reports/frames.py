"""Tables as pandas DataFrames; pandas is not one of zoo's dependencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.core.errors import UserError
from zoo.reports.predictions_csv import COLUMNS

if TYPE_CHECKING:
    from pandas import DataFrame


def data_frame(title: str, rows: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Return rows as a DataFrame.

    Args:
        title: of the table, for the error.
        rows: values by column.

    Raises:
        UserError: pandas is not installed.
    """
    return _pandas(title).DataFrame(list(rows))


def predictions_frame(title: str, path: Path) -> DataFrame:
    """Return predictions.csv as a DataFrame: path, label and prediction as text, probabilities as float64.

    Names of classes stay text, ``007`` and ``nan`` too.

    Args:
        title: of the table, for the error.
        path: of the file.

    Raises:
        UserError: pandas is not installed.
    """
    texts = dict.fromkeys(COLUMNS, str)
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return _pandas(title).read_csv(file, dtype=texts, keep_default_na=False)


def _pandas(title: str) -> Any:
    try:
        import pandas
    except ImportError as error:
        raise UserError(f"{title} is a pandas DataFrame, and pandas is not installed: pip install pandas") from error
    return pandas
