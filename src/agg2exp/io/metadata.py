"""What a user knows of cases: a CSV with a row per case."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from agg2exp.domain.errors import DataError

SEPARATORS = (",", ";", "\t")


def read_metadata(path: Path, case_column: str | None, patient_column: str | None = None) -> pd.DataFrame:
    """Read a CSV with a row per case; comma, semicolon or tab separates.

    Ids stay the words that they are in the file, without blanks around them: 0012 is not 12.

    Args:
        path: The file.
        case_column: Column of case ids; None: the first.
        patient_column: Column that is an id too.

    Returns:
        The other columns, indexed by case id.

    Raises:
        DataError: It is not readable, lacks the column, or has a case id twice or none.
    """
    try:
        header, rows, separator = _divided(path)
        names = [name or f"column {place}" for place, name in enumerate(header, start=1)]  # an index has no name
        column = names[0] if case_column is None else case_column
        table = pd.read_csv(path, sep=separator, encoding="utf-8-sig", index_col=False, header=0, names=names,
                            dtype_backend="numpy_nullable")  # fmt: skip
    except (OSError, UnicodeError, csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path}: expected a CSV file with a row per case, got {error}.") from error
    if column not in table:
        raise DataError(f"{path}: expected the column {column!r} with case ids, got {list(table.columns)}.")
    for place, name in enumerate(names):
        if name in (column, patient_column):  # as written: NA is a word, too
            table[name] = pd.array([row[place].strip() or pd.NA for row in rows], dtype="string")
    cases = table[column]
    if cases.isna().any() or cases.duplicated().any():
        wrong = "none" if cases.isna().any() else cases[cases.duplicated()].unique().tolist()[:5]
        raise DataError(f"{path}: expected every case id once in column {column!r}, got {wrong} in some rows.")
    return table.drop(columns=column).set_index(pd.Index(cases.astype(str), name="case"))


def _divided(path: Path) -> tuple[list[str], list[list[str]], str]:
    """Header, rows and the separator: the one that divides most lines into as many fields as the header.

    Raises:
        DataError: The file is empty, or a line has more or fewer fields.
    """
    divided = {}
    for separator in SEPARATORS:
        with path.open(newline="", encoding="utf-8-sig") as file:
            divided[separator] = [row for row in csv.reader(file, delimiter=separator) if row]
    if not divided[","]:
        raise DataError(f"{path}: expected a CSV file with a row per case, got an empty file.")
    alike = {s: sum(len(row) == len(rows[0]) for row in rows) for s, rows in divided.items() if len(rows[0]) > 1}
    separator = max(alike, key=lambda s: (alike[s], len(divided[s][0]))) if alike else ","
    header, *rows = divided[separator]
    for row in rows:
        if len(row) != len(header):
            raise DataError(f"{path}, row of {row[0]!r}: expected {len(header)} fields, got {len(row)}.")
    return header, rows, separator
