"""Lines of a CSV file, decoded."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from agg2exp.domain.errors import DataError

MARKS = (  # of encodings at the beginning of a file, the longer of two that begin alike first
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decoded_lines(path: Path) -> list[str]:
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
            f"{path}, line {len(divided_at_line_ends(read))}: expected a CSV file in UTF-8, got the byte "
            f"0x{error.object[error.start]:02x} ({error.reason}), as older versions of Excel write. Save the table "
            f"as 'CSV UTF-8', or convert it: iconv -f WINDOWS-1252 -t UTF-8 {path.name} > new.csv"
        ) from error
    return divided_at_line_ends(text.lstrip("\ufeff"))  # several marks come of tools that each wrote one


def divided_at_line_ends(text: str) -> list[str]:
    """Divided at line ends of any system."""
    return re.split(r"\r\n|\r|\n", text)
