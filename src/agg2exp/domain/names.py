"""Names that users give (cases, classes, masks, data sets), and the file names that are made of them."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from urllib.parse import unquote

LONGEST = 200  # bytes of a file name, which leaves 55 of a file system's 255 for endings
KEPT = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-. +=,@()")
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)  # by Windows
WRITTEN = ("L", "M", "N")  # Unicode's letters, marks and numbers
UNPRINTABLE = ("Cc", "Cs")  # control characters and halves of surrogate pairs


class UnusableNameError(ValueError):
    """A name is empty, too long for a file name, or has characters that cannot be printed."""


def safe_name(name: str) -> str:
    """A file name for any name, the same on every system; `original_name` turns it back.

    ASCII letters, digits, `_-+=,@()`, dots and blanks stay, and so do other alphabets where Unicode's normal form C
    keeps them. Everything else, a dot or blank at either end and the first letter of a name that Windows reserves
    becomes `%` and two hexadecimal digits for each byte of UTF-8, so that the name of no file has a separator, is
    hidden or leads elsewhere: `sub-01/ses-1` is `sub-01%2Fses-1`.

    Args:
        name: The name.

    Raises:
        UnusableNameError: It is empty, has control characters, or takes more than 200 bytes.
    """
    if not name:
        raise UnusableNameError("a name that is not empty")
    if any(unicodedata.category(letter) in UNPRINTABLE for letter in name):
        raise UnusableNameError(f"a name without control characters, got {name!r}")
    made = "".join(_encoded(name, place, alphabets=True) for place in range(len(name)))
    if not unicodedata.is_normalized("NFC", made):
        made = "".join(_encoded(name, place, alphabets=False) for place in range(len(name)))
    if len(made.encode()) > LONGEST:
        raise UnusableNameError(
            f"a name of at most {LONGEST} bytes as file name, got {len(made.encode())}: {name[:40]!r}…"
        )
    return made


def original_name(file_name: str) -> str:
    """The name that `safe_name` made a file name of."""
    return unquote(file_name)


def twins(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Different names whose files would be one where upper and lower case are the same (Windows, macOS).

    Raises:
        UnusableNameError: A name makes no file name.
    """
    alike: dict[str, set[str]] = defaultdict(set)
    for name in names:
        alike[unicodedata.normalize("NFC", safe_name(name).casefold())].add(name)
    return [tuple(sorted(same)) for same in alike.values() if len(same) > 1]


def problem_of(names: Iterable[object]) -> str:
    """Why names cannot name files side by side, as what is expected instead; empty if they can."""
    words = list(names)
    for word in words:
        if not isinstance(word, str):
            return f"names that are words, in quotes where YAML takes them for something else, got {word!r}"
    try:
        same = twins(map(str, words))
    except UnusableNameError as error:
        return str(error)
    return f"names that differ in more than upper and lower case, got {', '.join(map(repr, same[0]))}" if same else ""


def leads_outside(path: str) -> bool:
    """Whether a relative path, with either separator, is absolute or goes up, and so may leave the folder it is in."""
    return bool(re.match(r"[/\\~]|[A-Za-z]:", path)) or ".." in re.split(r"[/\\]", path)


def _encoded(name: str, place: int, alphabets: bool) -> str:
    """The character at a place, as it stands in the file name."""
    letter = name[place]
    at_end = place in (0, len(name) - 1)
    reserved = place == 0 and RESERVED.match(name) is not None
    if letter in KEPT:
        kept = not (reserved or (at_end and letter in ". "))
    else:
        kept = alphabets and not letter.isascii() and unicodedata.category(letter)[0] in WRITTEN
    return letter if kept else "".join(f"%{byte:02X}" for byte in letter.encode())
