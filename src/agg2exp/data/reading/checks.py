"""What can be told before a run from names and places of files: what no case has was most likely misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from pathlib import Path

from agg2exp.data.reading.masks import labels_in
from agg2exp.data.records import CaseRecord
from agg2exp.domain.errors import SettingError

SEARCHED = 10  # cases in which a label of an extra mask is looked for before a run


def check_channels(records: Sequence[CaseRecord]) -> None:
    """All cases have the same channels.

    Raises:
        SettingError: One has others than the first.
    """
    for record in records:
        first = records[0]
        if (len(record.images), record.channels) != (len(first.images), first.channels) or not record.images:
            raise SettingError(
                "data.layout",
                f"{len(record.images)} channels {list(record.channels)} of case {record.id}",
                f"those of case {first.id}, {len(first.images)} {list(first.channels)}, at least one",
            )


def unknown_structures(records: Iterable[CaseRecord], wanted: Collection[str]) -> dict[str, str | None]:
    """Structures that no case has a file for, with the most similar name that one has and nobody wants."""
    missing, spare = set(wanted), set[str]()
    for record in records:
        names = set(record.structures)
        missing -= {name for name in missing & names if _exists(record.structures[name].path)}
        spare |= names - set(wanted)
    near = {name: difflib.get_close_matches(name, spare, n=1, cutoff=0.8) for name in sorted(missing)}
    return {name: matches[0] if matches else None for name, matches in near.items()}


def absent_masks(records: Sequence[CaseRecord]) -> dict[str, str]:
    """Extra masks that no case has, and what of each is not there.

    A label is looked for in the maps of the first `SEARCHED` cases that have one.
    """
    absent: dict[str, str] = {}
    labels: dict[Path, set[int]] = {}
    for name in dict.fromkeys(name for record in records for name in record.extra):
        masks = [record.extra[name] for record in records if name in record.extra]
        first = list(islice((mask for mask in masks if _exists(mask.path)), SEARCHED))
        if not first:
            near = _nearest(masks[0].path)
            absent[name] = f"no case has such a file as {masks[0].path}" + (f", did you mean {near}?" if near else "")
            continue
        for mask in first:
            if mask.label is not None and mask.path not in labels:
                labels[mask.path] = labels_in(mask.path)
        if all(mask.label is not None and mask.label not in labels[mask.path] for mask in first):
            maps = f"none of the first {SEARCHED} files" if len(first) == SEARCHED else "no file"
            absent[name] = f"label {first[0].label} is in {maps} such as {first[0].path}"
    return absent


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that must not be read, which is the failure of its case
        return False


def _nearest(path: Path) -> str | None:
    """The file beside it with the most similar name."""
    try:
        names = [found.name for found in path.parent.iterdir()]
    except OSError:  # not there, or it must not be read
        return None
    return next(iter(difflib.get_close_matches(path.name, names, n=1, cutoff=0.8)), None)
