"""The layout of the TotalSegmentator data set, version 2."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agg2exp.data.case_table import CASE, SPLIT, read_case_table
from agg2exp.data.masks import LARGEST_LABEL, read_mask
from agg2exp.data.records import CaseRecord, MaskFile
from agg2exp.domain.case import Grid
from agg2exp.domain.code import versions
from agg2exp.domain.errors import DataError, SettingError
from agg2exp.domain.labels import LabelScheme
from agg2exp.domain.names import problem_of, safe_name
from agg2exp.io.digests import digest, file_digest
from agg2exp.io.nifti import UnreadableVolumeError, read_volume, write_volume

log = logging.getLogger(__name__)


class TotalSegmentatorLayout:
    """`meta.csv` (see `read_case_table`), `<case>/ct.nii.gz`, `<case>/segmentations/<structure>.nii.gz`.

    A class is annotated if every one of its structure files is there; an empty file says "looked for, not present".
    Label maps are merged once, on the scan's own grid, and kept in the cache under a name that changes with the label
    scheme, with the content of the files and with the scan's grid.

    Args:
        root: Folder with `meta.csv`.
        scheme: The model's label scheme.
        cache: Folder for merged label maps.
        extra_masks: Further RoI masks: name -> path pattern with `{case}`, relative to `root` or absolute. With `#5` at
            its end, label 5 of a label map, such as an atlas or another model's prediction.
        label_map: Path pattern of a partition for supervoxels, the same way; without `{case}` one file for all cases.

    Raises:
        SettingError: `root` has no `meta.csv`, a pattern does not mention the case, or its label is none.
    """

    def __init__(
        self,
        root: str | Path,
        scheme: LabelScheme,
        cache: str | Path,
        extra_masks: Mapping[str, str] | None = None,
        label_map: str | None = None,
    ) -> None:
        self.root = Path(root).expanduser()
        self.scheme = scheme
        self.cache = Path(cache).expanduser()
        self.extra_masks = dict(extra_masks or {})
        self.label_map = label_map
        if wrong := problem_of(self.extra_masks):
            raise SettingError("extra_masks", list(self.extra_masks), wrong)
        for name, pattern in self.extra_masks.items():
            if "{case}" not in pattern:
                raise SettingError(f"extra_masks.{name}", pattern, "a path that contains {case}")
            if name in scheme.classes:
                raise SettingError("extra_masks", name, "a name that is no class of the model")
            _, mark, label = pattern.partition("#")
            if mark and not (label.isdecimal() and 0 < int(label) <= LARGEST_LABEL):
                raise SettingError(f"extra_masks.{name}", pattern, f"a label from 1 to {LARGEST_LABEL} after the #")

    def records(self) -> list[CaseRecord]:
        """All cases of `meta.csv`, in its order."""
        table = self.root / "meta.csv"
        if not table.is_file():
            raise SettingError("root", str(self.root), "a folder with meta.csv (TotalSegmentator v2 layout)")
        try:
            rows = read_case_table(table)
        except DataError as error:
            raise SettingError("root", str(self.root), "a folder with a meta.csv of cases", str(error)) from error
        return [self._record(row) for row in rows]

    def _record(self, row: dict[str, str]) -> CaseRecord:
        case = row[CASE]
        return CaseRecord(
            id=case,
            image=self.root / case / "ct.nii.gz",
            split=row[SPLIT],
            extra={name: self._extra(pattern, case) for name, pattern in self.extra_masks.items()},
            label_map=None if self.label_map is None else self.root / self.label_map.replace("{case}", case),
            metadata={k: v for k, v in row.items() if k not in (CASE, SPLIT) and v != ""},
        )

    def _extra(self, pattern: str, case: str) -> MaskFile:
        path, mark, label = pattern.partition("#")
        return MaskFile(self.root / path.replace("{case}", case), int(label) if mark else None)

    def unknown_structures(self) -> dict[str, str | None]:
        """Structures of the label scheme that no case has a file for, with the most similar name that exists."""
        folders = [self.root / record.id / "segmentations" for record in self.records()]
        found = {path.name.removesuffix(".nii.gz") for folder in folders for path in folder.glob("*.nii.gz")}
        wanted = {structure for files in self.scheme.files for structure in files}
        spare = found - wanted
        near = {name: difflib.get_close_matches(name, spare, n=1, cutoff=0.8) for name in sorted(wanted - found)}
        return {name: matches[0] if matches else None for name, matches in near.items()}

    def _mask(self, record: CaseRecord, structure: str) -> Path:
        return self.root / record.id / "segmentations" / f"{structure}.nii.gz"

    def annotated(self, record: CaseRecord) -> tuple[bool, ...]:
        """Classes with all their files; background, being the rest, only if every class has."""
        classes = [all(self._mask(record, s).is_file() for s in files) for files in self.scheme.files[1:]]
        return (all(classes), *classes)

    def labels(self, record: CaseRecord, native: Grid) -> NDArray[np.uint8] | None:
        """The annotated label map, merged, (D, H, W); where structures overlap, the later class of the scheme wins.

        Raises:
            CaseError: A mask cannot be read or does not lie on the scan's grid.
        """
        files = {s: self._mask(record, s) for names in self.scheme.files for s in names}
        found = {s: path for s, path in files.items() if path.is_file()}
        if not found:
            return None
        cached = self.cache / "labels" / f"{safe_name(record.id)}-{self._key(found, native)}.nii.gz"
        if cached.is_file():
            try:
                labels, grid = read_volume(cached)
                if grid.shape == native.shape:
                    return labels.astype(np.uint8)
            except UnreadableVolumeError as error:
                log.warning("merged label map is damaged and is made again: %s", error)
        merged = np.zeros(native.shape, dtype=np.uint8)
        for label, names in enumerate(self.scheme.files):
            for structure in names:
                if structure in found:
                    merged[read_mask(record.id, found[structure], native)] = label
        try:
            write_volume(cached, merged, native)
        except OSError as error:
            log.warning("merged label map is not kept for the next run: %s", error)
        return merged

    def fingerprint(self, record: CaseRecord) -> str:
        """From the content of the scan, all masks and label maps, and what each of them means.

        "" if the scan or the label map cannot be read, which ends in a failure later.
        """
        masks = [(c, s, MaskFile(self._mask(record, s))) for c, files in self._files() for s in files]
        masks += [("extra", name, mask) for name, mask in record.extra.items()]
        try:
            parts: list[object] = [file_digest(record.image)]
            parts += [None if record.label_map is None else file_digest(record.label_map)]
            parts += [(role, name, m.label, file_digest(m.path)) for role, name, m in masks if m.path.is_file()]
        except OSError:
            return ""
        return digest(parts)

    def _files(self) -> list[tuple[str, tuple[str, ...]]]:
        """Classes with their structure files."""
        return list(zip(self.scheme.classes, self.scheme.files, strict=True))

    def _key(self, found: Mapping[str, Path], native: Grid) -> str:
        """Of a merged label map: changes with the label scheme, any of the masks, the scan's grid and our own code."""
        masks = [(structure, file_digest(path)) for structure, path in sorted(found.items())]
        return digest([self.scheme.files, masks, native.shape, native.affine.tolist(), versions()["agg2exp"]])
