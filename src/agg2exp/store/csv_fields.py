"""Lines of a CSV file, divided into fields by the separator that fits."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agg2exp.domain.errors import DataError

SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True)
class Row:
    """One line of a table: its number in the file, from 1, and its fields without blanks around them."""

    line: int
    fields: tuple[str, ...]


def divided(path: Path, numbered: Sequence[tuple[int, str]], stated: str) -> tuple[list[Row], str]:
    """All rows, divided by the separator that fits most lines, and this separator.

    Raises:
        DataError: A line has other quotes than CSV has, or more or fewer fields than the header.
    """
    lines = [line for _, line in numbered]
    fits = {s: _fit(lines, s) for s in ([stated] if stated else SEPARATORS)}
    best = [s for s in fits if fits[s] == max(fits.values())]
    if len(best) > 1 and fits[best[0]][0]:
        raise DataError(
            f"{path}, line {numbered[0][0]}: expected one separator, got {' and '.join(map(repr, best))}, which divide "
            'it alike. Write fields that have one of them within quotes ("…").'
        )
    separator = best[0]
    filled = []
    for number, line in numbered:
        try:
            fields = _fields(line, separator)
        except csv.Error as error:
            raise DataError(
                f"{path}, line {number}: expected the fields of one row in a line of a CSV file, got: {error}. "
                'A quoted field ends in its line; a quote within it is written twice ("").'
            ) from error
        if any(fields):
            filled.append((number, fields))
    if not filled:
        raise DataError(f"{path}: expected a CSV file with a header and rows, got empty fields alone.")
    width = len(filled[0][1])
    spare = {len(fields) - width for _, fields in filled[1:]} == {1} and not any(f[-1] for _, f in filled[1:])
    unnamed = {len(fields) - width for _, fields in filled[1:]} == {1} and not spare
    hint = " If the first column has no name, as in R's tables, give it one (write.csv does)." if unnamed else ""
    for number, fields in filled:
        if len(fields) != width and not spare:
            raise DataError(
                f"{path}, line {number}: expected {width} fields, as the header has, got {len(fields)} in the row of "
                f"{fields[0]!r}.{hint}"
            )
    while not any(fields[width - 1] for _, fields in filled):  # each line ends with a separator, or several
        width -= 1
    return [Row(number, tuple(fields[:width])) for number, fields in filled], separator


def _fit(lines: Sequence[str], separator: str) -> tuple[bool, int, int]:
    """Whether a separator divides the header; how many lines then have as many fields, or one more; how many fields."""
    rows = []
    for line in lines:
        try:
            rows.append(_fields(line, separator))
        except csv.Error:
            rows.append([])
    width = len(rows[0])
    return width > 1, sum(len(row) == width or (len(row) == width + 1 and not row[-1]) for row in rows), width


def _fields(line: str, separator: str) -> list[str]:
    """The fields of one line without blanks around them."""
    (fields,) = csv.reader([line], delimiter=separator, strict=True, skipinitialspace=True)
    return [field.strip() for field in fields]
