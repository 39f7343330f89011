"""Tables that a run left behind, checked as they are read: they may be damaged, or from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from agg2exp.domain.errors import DataError

MOST_ROWS = 50_000_000
LONGEST = 500  # letters of a name
SHARE_ROUNDING = 1e-4
"""By so much may a share lie beyond 1, or the shares of a partition miss 1."""
KEYS = ("case", "target", "source", "channel", "class", "name")


@dataclass(frozen=True)
class Values:
    """What a column holds: words, texts or truths (which may be missing), or numbers between bounds (or NaN)."""

    what: Literal["words", "texts", "truths", "numbers"]
    low: float = -np.inf
    high: float = np.inf

    def __str__(self) -> str:
        if self.what != "numbers":
            return self.what
        low, high = np.isfinite([self.low, self.high])
        return "finite numbers" + (f" from {self.low:g}" if low else "") + (f" to {self.high:g}" if high else "")


WORDS, TEXTS, TRUTHS, NUMBERS = Values("words"), Values("texts"), Values("truths"), Values("numbers")
AMOUNTS, SHARES = Values("numbers", 0), Values("numbers", 0, 1)


def read_stored_table(path: Path, columns: Mapping[str, Values], once: Sequence[str]) -> pd.DataFrame:
    """Some columns of a Parquet file.

    Args:
        path: The file.
        columns: What each holds.
        once: Columns whose values together name a row; none: rows have no name.

    Raises:
        DataError: It is no Parquet file, lacks a column, or a column holds something else; a row is there twice. The
            message names file, column and row.
    """
    try:
        if not path.is_file():
            raise DataError(f"{path}: expected a table of a finished run, got none.")
        file = pq.ParquetFile(path, page_checksum_verification=True)
        if file.metadata.num_rows > MOST_ROWS:
            raise DataError(f"{path}: expected at most {MOST_ROWS} rows, got {file.metadata.num_rows}.")
        schema = file.schema_arrow
        missing = [name for name in columns if schema.get_field_index(name) < 0]
        if missing:
            raise DataError(
                f"{path}: expected the columns {list(columns)}, got none of {missing}. "
                "Explain the cases again with this version."
            )
        for name, values in columns.items():
            if not _fits(schema.field(name).type, values):
                raise DataError(f"{path}: expected {values} in column {name!r}, got {schema.field(name).type}.")
        table: pd.DataFrame = file.read(columns=list(columns)).to_pandas(ignore_metadata=True)[list(columns)]
    except (OSError, ValueError, pa.ArrowException) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: expected a table of a finished run, got: {error}") from error
    for name, values in columns.items():
        _check_values(path, table, name, values)
    twice = table.duplicated(list(once)).to_numpy() if once else np.zeros(len(table), bool)
    if twice.any():
        raise DataError(f"{path}: expected every row once, got {first_row(table, twice)} twice.")
    return table


def _fits(stored: Any, values: Values) -> bool:
    """Whether an Arrow type can hold such values."""
    if values.what in ("texts", "truths") and pa.types.is_null(stored):
        return True
    if values.what in ("words", "texts"):
        if pa.types.is_dictionary(stored):
            stored = stored.value_type
        return bool(pa.types.is_string(stored) or pa.types.is_large_string(stored))
    if values.what == "truths":
        return bool(pa.types.is_boolean(stored))
    return bool(pa.types.is_floating(stored) or pa.types.is_integer(stored))


def _check_values(path: Path, table: pd.DataFrame, name: str, values: Values) -> None:
    """Raise unless a column holds what it should."""
    column = table[name]
    if values.what == "numbers":
        numbers = column.to_numpy(dtype=np.float64)
        beyond = SHARE_ROUNDING if np.isfinite(values.high) else 0
        wrong = np.isinf(numbers) | (numbers < values.low) | (numbers > values.high + beyond)
    elif values.what == "words":
        wrong = (column.isna() | (column.str.len() > LONGEST) | (column == "")).to_numpy(dtype=bool)
    elif values.what == "texts" and column.notna().any():
        wrong = (column.str.len() > LONGEST).fillna(False).to_numpy(dtype=bool)
    else:
        return
    if wrong.any():
        came = str(column[wrong.argmax()])[:100]
        raise DataError(f"{path}: expected {values} in column {name!r}, got {came!r} for {first_row(table, wrong)}.")


def first_row(table: pd.DataFrame, chosen: NDArray[np.bool_]) -> str:
    """Names of the first of the chosen rows."""
    first = table.iloc[int(chosen.argmax())]
    return ", ".join(f"{key} {str(first[key])[:100]!r}" for key in KEYS if key in table)
