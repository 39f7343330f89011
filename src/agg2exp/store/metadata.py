"""What a user knows of cases: a CSV with a row per case."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd

from agg2exp.domain.errors import DataError
from agg2exp.store.spreadsheet import as_csv
from agg2exp.store.tabular import TextTable, read_text_table

COMMA = re.compile(r"[+-]?\d+(,\d+)?", re.ASCII)
NOTHING = ("", "na", "n/a", "nan", "null", "none")


def read_metadata(
    path: Path, case_column: str | None, patient_column: str | None = None, cases: Collection[str] = ()
) -> pd.DataFrame:
    """Read a CSV with a row per case (see `read_text_table`).

    Ids stay the words that they are in the file, without blanks around them: 0012 is not 12. Where semicolons separate,
    as spreadsheets write them in countries with a decimal comma, a column of `1,25` and `2,5` is one of numbers.

    Args:
        path: The file.
        case_column: Column of case ids; None: the first.
        patient_column: Column that is an id too.
        cases: Known case ids, none of which may head a column: such a file has no header.

    Returns:
        The other columns, indexed by case id.

    Raises:
        DataError: It is not readable, has no header, lacks the column, or has a case id twice or none.
    """
    text = read_text_table(path)
    _check_header(text, cases)
    names = [name or f"column {place}" for place, name in enumerate(text.header, start=1)]  # an index has no name
    text = replace(text, header=tuple(names))
    if len({*names}) < len(names):
        raise DataError(f"{path}: expected a name for every column, each once, got {names}.")
    column = names[0] if case_column is None else case_column
    if column not in names:
        raise DataError(f"{path}: expected the column {column!r} with case ids, got {names}.")
    text.check_ids(column)
    columns = [text.column(name) for name in names]
    if text.separator == ";":
        columns = [_with_points(words) for words in columns]
    content = StringIO(as_csv(names, zip(*columns, strict=True)))
    try:
        table = pd.read_csv(content, header=0, names=names, index_col=False, dtype_backend="numpy_nullable")
    except (ValueError, OverflowError) as error:  # pandas' own are ValueErrors
        raise DataError(f"{path}: expected a CSV file with a row per case, got {error}.") from error
    if patient_column in names:  # as written: NA is a word, too
        table[patient_column] = pd.array([word or pd.NA for word in text.column(patient_column)], dtype="string")
    return table.drop(columns=column).set_index(pd.Index(text.column(column), name="case", dtype=object))


def _check_header(text: TextTable, cases: Collection[str]) -> None:
    """Raise if the first row is one of a case, since that case would be swallowed.

    Raises:
        DataError: A column is named as a case, or by a number.
    """
    for name in text.header:
        if name in cases or _is_number(name):
            raise DataError(
                f"{text.path}: expected names of columns in the first line, got {name!r}, which is a value. "
                "Write a line of names, which are no numbers, above the rows."
            )


def _with_points(words: list[str]) -> list[str]:
    """Numbers with a decimal point for those with a comma, where all words of a column are numbers or nothing."""
    known = [word for word in words if word.lower() not in NOTHING]
    if all(COMMA.fullmatch(word) for word in known):
        return [word.replace(",", ".") for word in words]
    return words


def _is_number(name: str) -> bool:
    try:
        return math.isfinite(float(name))
    except ValueError:
        return False
