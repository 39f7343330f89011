"""What the labels of an atlas are called, from a table that comes with it."""

from __future__ import annotations

from pathlib import Path

from agg2exp.domain.errors import DataError, SettingError
from agg2exp.store.tabular import TextTable, read_text_table

HEADERS = (("label", "name"), ("LabelValue", "Name"))
"""Columns of the number and of the name: plain, and as 3D Slicer exports a colour table."""


def read_label_names(path: Path) -> dict[int, str]:
    """Names by label, from a CSV or TSV with columns `label` and `name`, or 3D Slicer's `LabelValue` and `Name`.

    Raises:
        SettingError: There is no such table, it lacks the columns, or a label is no whole number or there twice.
    """
    setting = "supervoxels.names"
    if not path.is_file():
        raise SettingError(setting, str(path), "a CSV with columns label and name, absolute or relative to data.root")
    try:
        return _names(read_text_table(path))
    except DataError as error:
        raise SettingError(setting, str(path), "a CSV with columns label and name", str(error)) from error


def _names(table: TextTable) -> dict[int, str]:
    columns = next((pair for pair in HEADERS if set(pair) <= set(table.header)), None)
    if columns is None:
        raise DataError(f"It has the columns {list(table.header)}.")
    table.check_ids(columns[0])
    names: dict[int, str] = {}
    for row, label, name in zip(table.rows, *map(table.column, columns), strict=True):
        try:
            number = int(label)
        except ValueError as error:
            raise DataError(
                f"{table.path}, line {row.line}: expected a whole number as label, got {label!r}."
            ) from error
        if number in names:
            raise DataError(f"{table.path}, line {row.line}: expected every label once, got {number} again.")
        names[number] = name
    return names
