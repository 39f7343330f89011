"""Files and arrays by their content.

Files are read whole. The trailer of a gzip file (CRC32 and length of what it holds) would be cheaper, but it tells
about the last member alone: in files of several members, as bgzip writes them, it is the same whatever they hold. Sizes
and times are no identity at all: a mask that was moved may take as many bytes, and a copied file has a new time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray


def file_digest(path: Path) -> str:
    """sha256 of all bytes of a file, in hexadecimal digits.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(parts: Iterable[object]) -> str:
    """16 hexadecimal digits that change with any of the parts, and with their order; parts count by their `repr`."""
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()[:16]


def arrays_digest(arrays: Mapping[str, NDArray[Any]], header: Mapping[str, str] | None = None) -> str:
    """sha256 of arrays with their names, types and shapes, and of the words kept beside them."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        total.update(arrays[name].tobytes())
    for name, words in sorted((header or {}).items()):
        total.update(f"{name} {len(words)} {words}".encode())
    return total.hexdigest()
