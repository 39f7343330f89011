"""What the lines of a CSV say, by a reading of its own: the letters of each line without what separates them."""

from __future__ import annotations

import re

MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
BETWEEN = re.compile(r'[\s",;|]')


def letters_of_lines(content: bytes) -> list[str]:
    """Of each line that has any, all letters in order but for blanks, quotes and separators."""
    lines = re.split(r"[\r\n]+", decoded(content))
    if re.fullmatch(r'"?sep=[,;|\t]?"?', next((line.strip(" ") for line in lines if line.strip()), ""), re.IGNORECASE):
        lines = [line for line in lines if line.strip()][1:]
    return [letters for letters in map(letters_of, lines) if letters]


def decoded(content: bytes) -> str:
    """By its byte order mark."""
    mark, encoding = next(((m, e) for m, e in MARKS if content.startswith(m)), (b"", "utf-8"))
    return content[len(mark) :].decode(encoding, errors="replace").lstrip("\ufeff")


def letters_of(text: str) -> str:
    """All letters in order but for blanks, quotes and separators."""
    return BETWEEN.sub("", text)
