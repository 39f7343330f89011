"""Tables that people make: CSV from a spreadsheet, an editor or a script, read as the words that stand there."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pandas as pd

from agg2exp.domain.errors import DataError
from agg2exp.domain.text import cell

SEPARATORS = (",", ";", "\t")
MARKS = (  # of encodings at the beginning of a file, the longer of two that begin alike first
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ufffe\uffff]")
EXCELS = re.compile(r'"?sep=([,;\t|]?)"?', re.IGNORECASE)  # first line by which Excel is told the separator


@dataclass(frozen=True)
class Row:
    """One line of a table: its number in the file, from 1, and its fields without blanks around them."""

    line: int
    fields: tuple[str, ...]


@dataclass(frozen=True)
class TextTable:
    """A table of words.

    Attributes:
        path: Its file.
        header: Names of the columns, each once; an empty one has values but no name.
        rows: The other lines that are not blank, each with as many fields as the header.
        separator: What stood between fields.
    """

    path: Path
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    separator: str = ","

    def column(self, name: str) -> list[str]:
        """The words of a column of the header."""
        place = self.header.index(name)
        return [row.fields[place] for row in self.rows]

    def check_ids(self, name: str) -> None:
        """Raise unless every row has a word in a column, and none twice.

        Raises:
            DataError: The message names the lines.
        """
        lines: dict[str, list[int]] = {}
        for row, word in zip(self.rows, self.column(name), strict=True):
            lines.setdefault(word, []).append(row.line)
        if "" in lines:
            raise DataError(f"{self.path}, line {lines[''][0]}: expected a name in column {name!r}, got none.")
        twice = {word: there for word, there in lines.items() if len(there) > 1}
        if twice:
            some = "; ".join(f"{word!r} in lines {', '.join(map(str, twice[word]))}" for word in list(twice)[:5])
            raise DataError(f"{self.path}: expected every name once in column {name!r}, got {some}.")


def read_text_table(path: Path) -> TextTable:
    """Read a CSV of which every line is a row; comma, semicolon or tab separates, `"` quotes.

    UTF-8, or what a byte order mark says; line ends of any system; Excel's line `sep=;`; blanks around words and
    blank lines do not count, nor does a separator that ends every line. What could be read in two ways is refused,
    so that no row is swallowed and no value moves to another column: a quoted field that goes on in the next line,
    a line with more or fewer fields, and a name that heads two columns.

    Args:
        path: The file.

    Raises:
        DataError: It is no such table; the message names the file, the line and the reason.
    """
    try:
        lines = _lines(path)
    except OSError as error:
        raise DataError(f"{path}: expected a CSV file, got {error.strerror or error}.") from error
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    told = EXCELS.fullmatch(numbered[0][1].strip(" \r")) if numbered else None
    if told:
        numbered = numbered[1:]
    if not numbered:
        raise DataError(f"{path}: expected a CSV file with a header and rows, got an empty file.")
    for number, line in numbered:
        found = CONTROL.search(line)
        if found:
            raise DataError(
                f"{path}, line {number}: expected text, got the control character U+{ord(found[0]):04X}. "
                "Save the table as CSV in UTF-8."
            )
    (header, *rows), separator = _divided(path, numbered, told[1] if told else "")
    return TextTable(path, _names(path, header), tuple(rows), separator)


def _lines(path: Path) -> list[str]:
    """The lines of a file, decoded.

    Raises:
        DataError: A line is not UTF-8, or not what the byte order mark says.
    """
    content = path.read_bytes()
    mark, encoding = next(((m, name) for m, name in MARKS if content.startswith(m)), (b"", "utf-8"))
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        read = content[len(mark) :][: error.start].decode(encoding, errors="replace")
        raise DataError(
            f"{path}, line {len(_ends(read))}: expected a CSV file in UTF-8, got the byte "
            f"0x{error.object[error.start]:02x} ({error.reason}), as older versions of Excel write. Save the table "
            f"as 'CSV UTF-8', or convert it: iconv -f WINDOWS-1252 -t UTF-8 {path.name} > new.csv"
        ) from error
    return _ends(text.lstrip("\ufeff"))  # several marks come of tools that each wrote one


def _ends(text: str) -> list[str]:
    """Divided at line ends of any system."""
    return re.split(r"\r\n|\r|\n", text)


def _divided(path: Path, numbered: Sequence[tuple[int, str]], told: str) -> tuple[list[Row], str]:
    """All rows, divided by the separator that fits most lines, and this separator.

    Raises:
        DataError: A line has other quotes than CSV has, or more or fewer fields than the header.
    """
    lines = [line for _, line in numbered]
    fits = {s: _fit(lines, s) for s in ([told] if told else SEPARATORS)}
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


def _names(path: Path, header: Row) -> tuple[str, ...]:
    """The names of the columns.

    Raises:
        DataError: One is there twice.
    """
    named = [name for name in header.fields if name]
    twice = list(dict.fromkeys(name for name in named if named.count(name) > 1))
    if twice:
        raise DataError(f"{path}, line {header.line}: expected every column once, got several named {twice[:5]}.")
    return header.fields


def as_csv(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Words as CSV that `read_text_table` and pandas read."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue()


def for_spreadsheet(table: pd.DataFrame) -> pd.DataFrame:
    """A table to write as CSV, in which a spreadsheet finds nothing to compute: all its words pass `cell`."""
    made = table.copy()
    for name in table:
        values = [cell(value) if isinstance(value, str) else value for value in table[name]]
        if any(isinstance(value, str) and value != before for value, before in zip(values, table[name], strict=True)):
            made[name] = pd.Series(values, index=table.index, dtype=object)
    return made
