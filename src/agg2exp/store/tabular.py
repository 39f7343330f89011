"""Tables that people make: CSV from a spreadsheet, an editor or a script, read as the words that stand there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from agg2exp.domain.errors import DataError
from agg2exp.store.csv_fields import Row, divided
from agg2exp.store.csv_lines import decoded_lines

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ufffe\uffff]")
EXCELS = re.compile(r'"?sep=([,;\t|]?)"?', re.IGNORECASE)  # first line by which Excel is told the separator


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
        lines = decoded_lines(path)
    except OSError as error:
        raise DataError(f"{path}: expected a CSV file, got {error.strerror or error}.") from error
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    stated = EXCELS.fullmatch(numbered[0][1].strip(" \r")) if numbered else None
    if stated:
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
    (header, *rows), separator = divided(path, numbered, stated[1] if stated else "")
    return TextTable(path, _names(path, header), tuple(rows), separator)


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
