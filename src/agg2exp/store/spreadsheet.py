"""Tables written so that a spreadsheet finds words and numbers in them, and nothing to compute."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO

import pandas as pd

from agg2exp.domain.text import cell


def as_csv(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Words as CSV that `read_text_table` and pandas read."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue()


def for_spreadsheet(table: pd.DataFrame) -> pd.DataFrame:
    """A table to write as CSV, in which a spreadsheet finds nothing to compute: all its words pass `cell`."""
    safe = table.copy()
    for name in table:
        values = [cell(value) if isinstance(value, str) else value for value in table[name]]
        if any(isinstance(value, str) and value != before for value, before in zip(values, table[name], strict=True)):
            safe[name] = pd.Series(values, index=table.index, dtype=object)
    return safe
