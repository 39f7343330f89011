"""What changes when a file of a case changes, or what is made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from agg2exp.data.records import CaseRecord
from agg2exp.store.digests import digest, file_digest


def fingerprint(record: CaseRecord, structures: Mapping[str, Sequence[str]], further: Iterable[object] = ()) -> str:
    """Of the content of the scan, all masks and the label map, and what each of them means; the same for a copy.

    "" if the scan or the label map cannot be read, which ends in a failure later.

    Args:
        record: The case.
        structures: By class, what it is merged from; structures without a file do not count.
        further: What else the case depends on.
    """
    wanted = [(name, structure) for name, of_class in structures.items() for structure in of_class]
    masks = [(name, s, mask) for name, s in wanted if (mask := record.structures.get(s)) is not None]
    masks += [("extra", name, mask) for name, mask in record.extra.items()]
    try:
        parts: list[object] = [(name, file_digest(path)) for name, path in _channels(record)]
        parts += [None if record.label_map is None else file_digest(record.label_map)]
        there = {path: file_digest(path) for path in {mask.path for *_, mask in masks} if path.is_file()}
    except OSError:
        return ""
    parts += [(role, name, mask.label, there[mask.path]) for role, name, mask in masks if mask.path in there]
    return digest([*parts, *further])


def scan_digest(images: tuple[Path, ...]) -> str:
    """Which scan it is: SHA-256 of its file, or of those of its channels.

    Raises:
        OSError: A file cannot be read.
    """
    digests = [file_digest(path) for path in images]
    return digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()


def _channels(record: CaseRecord) -> list[tuple[str, Path]]:
    names = record.channels or tuple(map(str, range(len(record.images))))
    return list(zip(names, record.images, strict=True))
