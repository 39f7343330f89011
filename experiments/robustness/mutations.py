"""Mutations of text files, as editors, spreadsheets, transfers and attackers make them."""

from __future__ import annotations

import re
import unicodedata

import numpy as np

TOKENS = (
    *(b'"', b'""', b"'", b";", b";;", b",", b"\t", b"\n", b"\r", b"\r\n", b" ", b"sep=;\n"),
    *(b"\0", b"\x1a", b"\x1b[31m", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe4", b"\xc3", b"\xc2\xa0", b"\xe2\x80\xae"),
    *(b"null", b"NaN", b"inf", b"-1", b"1e999", b"9" * 400, b"0x1F", b"1_0", b"0012", b"1,5"),
    *(b"../../up", b"/etc/passwd", b".hidden", b"CON", b"x" * 300, b"=cmd", b"$x$", b"[red]", b"<b>"),
)
SWAPS = (
    *((b";", b","), (b";", b"\t"), (b",", b";"), (b";", b" ; "), (b",", b'","')),
    *((b"\n", b"\r\n"), (b"\n", b"\r"), (b"\n", b";\n"), (b"\n", b",\n")),
)
ENCODINGS = ("latin-1", "utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp1252", "mac-roman")


def mutated_text(content: bytes, random: np.random.Generator) -> bytes:
    """The content after one to three mutations."""
    for _ in range(random.integers(1, 4)):
        content = MUTATIONS[random.integers(len(MUTATIONS))](content, random)
    return content


def inserted(content: bytes, random: np.random.Generator) -> bytes:
    """With a token at some place."""
    at = random.integers(len(content) + 1)
    return content[:at] + TOKENS[random.integers(len(TOKENS))] + content[at:]


def overwritten(content: bytes, random: np.random.Generator) -> bytes:
    """With a token in place of some bytes."""
    at = random.integers(len(content) + 1)
    return content[:at] + TOKENS[random.integers(len(TOKENS))] + content[at + random.integers(1, 8) :]


def flipped(content: bytes, random: np.random.Generator) -> bytes:
    """With one byte changed."""
    if not content:
        return content
    at = random.integers(len(content))
    return content[:at] + bytes([random.integers(256)]) + content[at + 1 :]


def cut(content: bytes, random: np.random.Generator) -> bytes:
    """Without an end, or without a part."""
    first, last = sorted(random.integers(len(content) + 1, size=2))
    return content[:first] if random.random() < 0.5 else content[:first] + content[last:]


def encoded(content: bytes, random: np.random.Generator) -> bytes:
    """In another encoding."""
    text = content.decode("utf-8", errors="replace")
    return text.encode(ENCODINGS[random.integers(len(ENCODINGS))], errors="replace")


def decomposed(content: bytes, random: np.random.Generator) -> bytes:
    """In another normal form of Unicode."""
    return unicodedata.normalize("NFD", content.decode("utf-8", errors="replace")).encode()


def separated(content: bytes, random: np.random.Generator) -> bytes:
    """With another separator or another line end throughout."""
    old, new = SWAPS[random.integers(len(SWAPS))]
    return content.replace(old, new)


def with_lines_moved(content: bytes, random: np.random.Generator) -> bytes:
    """With a line gone, twice, or elsewhere; or without the header."""
    lines = re.split(rb"(?<=\n)", content)
    at, to = random.integers(len(lines), size=2)
    match random.integers(4):
        case 0:
            del lines[at]
        case 1:
            lines.insert(to, lines[at])
        case 2:
            lines[at], lines[to] = lines[to], lines[at]
        case _:
            del lines[0]
    return b"".join(lines)


def quoted(content: bytes, random: np.random.Generator) -> bytes:
    """With two quotes, wherever."""
    first, last = sorted(random.integers(len(content) + 1, size=2))
    return content[:first] + b'"' + content[first:last] + b'"' + content[last:]


MUTATIONS = (inserted, overwritten, flipped, cut, encoded, decomposed, separated, with_lines_moved, quoted)
