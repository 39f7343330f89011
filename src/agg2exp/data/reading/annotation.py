"""The classes as annotated: which files, merged into a label map or kept apart."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agg2exp.data.merge import structures_of
from agg2exp.data.reading.masks import MaskReader, is_there
from agg2exp.data.reading.merged_maps import MergedMaps
from agg2exp.data.records import CaseRecord
from agg2exp.domain.case import Grid
from agg2exp.domain.files import MaskFile
from agg2exp.domain.labels import Labels
from agg2exp.domain.roles import Notice
from agg2exp.store.digests import file_digest

log = logging.getLogger(__name__)


def merged(files: Sequence[Sequence[MaskFile]], reader: MaskReader) -> NDArray[np.uint8]:
    """The label map (D, H, W) of exclusive classes; where structures overlap, the later class wins.

    Args:
        files: For each class the structures that are merged into it (L).
        reader: Reads them.

    Raises:
        CaseError: A mask cannot be read or does not lie on the scan's grid.
    """
    label_map = np.zeros(reader.native.shape, dtype=np.uint8)
    for label, masks in enumerate(files):
        for mask in masks:
            label_map[reader.mask(mask)] = label
    return label_map


def united(files: Sequence[Sequence[MaskFile]], reader: MaskReader) -> NDArray[np.bool_]:
    """The masks (L, D, H, W) of classes that may overlap, each the union of its structures."""
    bits = np.zeros((len(files), *reader.native.shape), dtype=bool)
    for mask, of_class in zip(bits, files, strict=True):
        for structure in of_class:
            mask |= reader.mask(structure)
    return bits


class AnnotationReader:
    """Finds the annotated structures of a case and merges them into the model's classes.

    A class is annotated if every one of its structures has a file; an empty mask says "looked for, not present". Label
    maps are merged once, on the scan's own grid, and kept in the cache under a name that changes with what is merged,
    with the content of the files and with the scan's grid.

    Args:
        labels: The model's classes.
        merge: Structures by class, see `structures_of`.
        threshold: See `MaskReader`.
        cache: Folder for merged label maps; None keeps none.
    """

    def __init__(
        self,
        labels: Labels,
        merge: Mapping[str, Sequence[str]] | None = None,
        threshold: float | None = None,
        cache: str | Path | None = None,
    ) -> None:
        self.labels = labels
        self.structures = structures_of(labels, merge)
        self.threshold = threshold
        self.kept = None if cache is None else MergedMaps(cache)

    def files(self, record: CaseRecord) -> dict[str, dict[str, MaskFile]]:
        """By class (L), the structures that are there, with their masks.

        Raises:
            CaseError: See `is_there`.
        """
        return {
            name: {s: mask for s in structures if (mask := self._mask(record, s)) is not None}
            for name, structures in zip(self.labels.classes, self.structures, strict=True)
        }

    def annotated(self, record: CaseRecord) -> tuple[bool, ...]:
        """Classes with all their files (L); background, being the rest, only if every class has."""
        there = self.files(record)
        known = {
            name: len(there[name]) == len(structures)
            for name, structures in zip(self.labels.classes, self.structures, strict=True)
        }
        if self.labels.exclusive:
            known[self.labels.background] = all(known.values())
        return tuple(known.values())

    def read(
        self, record: CaseRecord, native: Grid, notice: Notice = log.warning
    ) -> NDArray[np.uint8 | np.bool_] | None:
        """The label map (D, H, W) of exclusive classes, or the masks (L, D, H, W) of others; None without any file.

        Raises:
            CaseError: A mask cannot be read or does not lie on the scan's grid.
        """
        found = self.files(record)
        if not any(found.values()):
            return None
        files = [list(masks.values()) for masks in found.values()]
        reader = MaskReader(record.id, native, self.threshold, notice)
        if not self.labels.exclusive:
            return united(files, reader)
        if self.kept is None:
            return merged(files, reader)
        parts = [self.structures, self.threshold, _contents(found)]
        return self.kept.get(record.id, parts, native, lambda: merged(files, reader))

    def _mask(self, record: CaseRecord, structure: str) -> MaskFile | None:
        mask = record.structures.get(structure)
        return mask if mask is not None and is_there(record.id, mask.path) else None


def _contents(found: Mapping[str, Mapping[str, MaskFile]]) -> list[tuple[str, int | None, str]]:
    """Of each structure its label in its file, and the digest of that."""
    masks = {structure: mask for of_class in found.values() for structure, mask in of_class.items()}
    digests = {path: file_digest(path) for path in {mask.path for mask in masks.values()}}
    return [(structure, mask.label, digests[mask.path]) for structure, mask in sorted(masks.items(), key=itemgetter(0))]
