"""The table of a data set's cases: `meta.csv`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from agg2exp.domain.errors import DataError
from agg2exp.domain.names import UnusableNameError, leads_outside, safe_name, twins
from agg2exp.store.tabular import read_text_table

CASE, SPLIT = "image_id", "split"


def read_case_table(path: Path) -> list[dict[str, str]]:
    """The rows of `meta.csv`, all values as written; "" where there is none.

    A case's id is the path of its folder beside the table, such as `s0001` or `sub-01/ses-1`, and names its results.

    Args:
        path: The table, a CSV as `read_text_table` reads it.

    Raises:
        DataError: It is not readable, lacks `image_id` or `split`, or an id is missing, there twice, leads elsewhere,
            or makes no file name of its own. The message names the line.
    """
    table = read_text_table(path)
    missing = [name for name in (CASE, SPLIT) if name not in table.header]
    if missing:
        raise DataError(
            f"{path}: expected the columns {CASE!r} and {SPLIT!r}, with ';', ',' or tabs between columns, got "
            f"{list(table.header)}."
        )
    table.check_ids(CASE)
    ids = table.column(CASE)
    for row, case in zip(table.rows, ids, strict=True):
        try:
            safe_name(case)
        except UnusableNameError as error:
            raise DataError(f"{path}, line {row.line}: expected {error} in column {CASE!r}.") from error
        if leads_outside(case) or str(PurePosixPath(case)) != case or case == ".":
            raise DataError(
                f"{path}, line {row.line}: expected the path of a folder beside {path.name} in column {CASE!r}, such "
                f"as s0001 or sub-01/ses-1, got {case!r}."
            )
    same = twins(ids)
    if same:
        lines = [str(row.line) for row, case in zip(table.rows, ids, strict=True) if case in same[0]]
        raise DataError(
            f"{path}, lines {', '.join(lines)}: expected ids that differ in more than upper and lower case, got "
            f"{', '.join(map(repr, same[0]))}, whose results would be one file on some systems."
        )
    return [dict(zip(table.header, row.fields, strict=True)) for row in table.rows]
