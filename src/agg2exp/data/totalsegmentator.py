"""The layout of the TotalSegmentator data set, version 2."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agg2exp.data.case_table import CASE, SPLIT, read_case_table
from agg2exp.data.label_names import read_label_names
from agg2exp.data.masks import LARGEST_LABEL, is_there, labels_in, merged_structures, read_label_map
from agg2exp.data.merge import structures_of
from agg2exp.data.records import CaseRecord, MaskFile
from agg2exp.domain.case import Grid, Origin
from agg2exp.domain.code import versions
from agg2exp.domain.errors import CaseError, DataError, SettingError, check_range
from agg2exp.domain.labels import Labels
from agg2exp.domain.names import problem_of, safe_name
from agg2exp.domain.roles import Notice
from agg2exp.store.cache_folder import check_cache, claim_cache
from agg2exp.store.digests import digest, file_digest
from agg2exp.store.nifti import write_volume

log = logging.getLogger(__name__)

LABEL = re.compile(r"(?P<path>.*\.nii(\.gz)?)#(?P<label>[^/]*)", re.IGNORECASE)
"""A file with the label of a map behind it; a # elsewhere belongs to the path."""
SEARCHED = 10  # cases in which a label of an extra mask is looked for before a run


class TotalSegmentatorLayout:
    """`meta.csv` (see `read_case_table`), `<case>/ct.nii.gz`, `<case>/segmentations/<structure>.nii.gz`.

    A class is annotated if every one of its structure files is there; an empty file says "looked for, not present".
    Label maps are merged once, on the scan's own grid, and kept in the cache under a name that changes with what is
    merged, with the content of the files and with the scan's grid.

    Args:
        root: Folder with `meta.csv`.
        labels: The model's classes.
        cache: Folder for merged label maps.
        extra_masks: Further RoI masks: name -> path pattern with `{case}`, relative to `root` or absolute. With `#5` at
            its end, label 5 of a label map, such as an atlas or another model's prediction.
        label_map: Path pattern of a partition for supervoxels, the same way; without `{case}` one file for all cases.
        mask_threshold: What is above it is inside, in masks that have more values than 0 and one other (probabilities,
            resampled masks, several labels); None refuses them.
        label_names: Table of what the labels of the partition are called, relative to `root` or absolute.
        merge: Structures by class, see `structures_of`.

    Raises:
        SettingError: `root` has no `meta.csv`, a pattern does not mention the case, or its label is none.
    """

    def __init__(
        self,
        root: str | Path,
        labels: Labels,
        cache: str | Path,
        extra_masks: Mapping[str, str] | None = None,
        label_map: str | None = None,
        mask_threshold: float | None = None,
        label_names: str | None = None,
        merge: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.root = Path(root).expanduser()
        self.names = labels
        self.files = structures_of(labels, merge)
        self.cache = Path(cache).expanduser()
        check_cache(self.cache, "layout.cache")
        self.extra_masks = dict(extra_masks or {})
        self.label_map = label_map
        self.mask_threshold = mask_threshold
        self.label_names = {} if label_names is None else read_label_names(self.root / label_names)
        if mask_threshold is not None:
            check_range("layout.mask_threshold", mask_threshold, 0)
        if wrong := problem_of(self.extra_masks):
            raise SettingError("layout.extra_masks", list(self.extra_masks), wrong)
        for name, pattern in self.extra_masks.items():
            setting = f"layout.extra_masks.{name}"
            if not isinstance(pattern, str) or "{case}" not in pattern:
                raise SettingError(setting, pattern, "a path that contains {case}")
            if name in labels.classes:
                raise SettingError("layout.extra_masks", name, "a name that is no class of the model")
            path, label = _path_and_label(pattern)
            if path is None or (label is not None and not 0 < label <= LARGEST_LABEL):
                raise SettingError(setting, pattern, f"a label from 1 to {LARGEST_LABEL} after the #")

    def records(self) -> list[CaseRecord]:
        """All cases of `meta.csv`, in its order."""
        table = self.root / "meta.csv"
        if not table.is_file():
            raise SettingError("data.root", str(self.root), "a folder with meta.csv (TotalSegmentator v2 layout)")
        try:
            rows = read_case_table(table)
        except DataError as error:
            raise SettingError("data.root", str(self.root), "a folder with a meta.csv of cases", str(error)) from error
        return [self._record(row) for row in rows]

    def _record(self, row: dict[str, str]) -> CaseRecord:
        case = row[CASE]
        return CaseRecord(
            id=case,
            image=self.root / case / "ct.nii.gz",
            split=row[SPLIT],
            extra={name: self._extra(pattern, case) for name, pattern in self.extra_masks.items()},
            label_map=None if self.label_map is None else self.root / self.label_map.replace("{case}", case),
            label_names=self.label_names,
            metadata={k: v for k, v in row.items() if k not in (CASE, SPLIT) and v != ""},
        )

    def _extra(self, pattern: str, case: str) -> MaskFile:
        path, label = _path_and_label(pattern)
        return MaskFile(self.root / str(path).replace("{case}", case), label, self.mask_threshold)

    def absent_masks(self, records: Sequence[CaseRecord]) -> dict[str, str]:
        """Extra masks that no case has, by a typing error most likely, and what of each is not there.

        A label is looked for in the maps of the first `SEARCHED` cases that have one.
        """
        absent: dict[str, str] = {}
        for pattern in dict.fromkeys(str(_path_and_label(pattern)[0]) for pattern in self.extra_masks.values()):
            of_map = {n: _path_and_label(p)[1] for n, p in self.extra_masks.items() if _path_and_label(p)[0] == pattern}
            files = (self.root / pattern.replace("{case}", record.id) for record in records)
            first = list(islice(filter(_exists, files), SEARCHED))
            if not first:
                near = _nearest(self.root / pattern.replace("{case}", records[0].id)) if records else None
                absent |= dict.fromkeys(of_map, f"no case has {pattern}" + (f", did you mean {near}?" if near else ""))
                continue
            missing = {name: label for name, label in of_map.items() if label is not None}
            for path in first:
                found = labels_in(path) if missing else set()
                missing = {name: label for name, label in missing.items() if label not in found}
            maps = f"none of the first {SEARCHED}" if len(first) == SEARCHED else "no"
            absent |= {name: f"label {label} is in {maps} {pattern}" for name, label in missing.items()}
        return absent

    def unknown_structures(self, records: Sequence[CaseRecord]) -> dict[str, str | None]:
        """Structures of the classes that no case has a file for, with the most similar name that exists."""
        folders = [self.root / record.id / "segmentations" for record in records]
        names = (name for folder in folders for name in _names(folder))
        found = {name.removesuffix(".nii.gz") for name in names if name.endswith(".nii.gz")}
        wanted = {structure for files in self.files for structure in files}
        spare = found - wanted
        near = {name: difflib.get_close_matches(name, spare, n=1, cutoff=0.8) for name in sorted(wanted - found)}
        return {name: matches[0] if matches else None for name, matches in near.items()}

    def _mask(self, record: CaseRecord, structure: str) -> Path:
        return self.root / record.id / "segmentations" / f"{structure}.nii.gz"

    def structures(self, record: CaseRecord) -> dict[str, Path]:
        """Files of the annotated structures that are there, by structure."""
        files = {s: self._mask(record, s) for names in self.files for s in names}
        return {s: path for s, path in files.items() if is_there(record.id, path)}

    def origin(self, record: CaseRecord) -> Origin:
        """Which scan the case is, and where its files are.

        Raises:
            OSError: The scan cannot be read.
        """
        structures = {name: path.absolute() for name, path in self.structures(record).items()}
        return Origin(file_digest(record.image), record.image.absolute(), structures, self.mask_threshold)

    def annotated(self, record: CaseRecord) -> tuple[bool, ...]:
        """Classes with all their files; background, being the rest, only if every class has."""
        classes = [all(is_there(record.id, self._mask(record, s)) for s in files) for files in self.files[1:]]
        return (all(classes), *classes)

    def labels(self, record: CaseRecord, native: Grid, notice: Notice = log.warning) -> NDArray[np.uint8] | None:
        """The annotated label map, merged, (D, H, W); where structures overlap, the later class wins.

        `notice` is told what had to be assumed in reading the masks.

        Raises:
            CaseError: A mask cannot be read or does not lie on the scan's grid.
        """
        found = self.structures(record)
        if not found:
            return None
        cached = self.cache / "labels" / f"{safe_name(record.id)}-{self._key(found, native)}.nii.gz"
        if cached.is_file():
            try:
                return read_label_map(record.id, cached, native).astype(np.uint8)
            except CaseError as error:
                log.warning("the merged label map is made again: %s", error)
        merged = merged_structures(record.id, self.files, found, native, self.mask_threshold, notice)
        try:
            claim_cache(self.cache, "layout.cache")
            write_volume(cached, merged, native)
        except (OSError, SettingError) as error:
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
        return list(zip(self.names.classes, self.files, strict=True))

    def _key(self, found: Mapping[str, Path], native: Grid) -> str:
        """Of a merged label map: changes with the classes, any of the masks, the scan's grid and our own code."""
        masks = [(structure, file_digest(path)) for structure, path in sorted(found.items())]
        return digest(
            [self.files, self.mask_threshold, masks, native.shape, native.affine.tolist(), versions()["agg2exp"]]
        )


def _path_and_label(pattern: str) -> tuple[str | None, int | None]:
    """The path of a pattern and the label at its end; no path if what follows the # is no label."""
    match = LABEL.fullmatch(pattern)
    if match is None:
        return pattern, None
    return (match["path"], int(match["label"])) if re.fullmatch("[0-9]{1,9}", match["label"]) else (None, None)


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that must not be read, which is the failure of its case
        return False


def _nearest(path: Path) -> str | None:
    """The file beside it with the most similar name."""
    return next(iter(difflib.get_close_matches(path.name, _names(path.parent), n=1, cutoff=0.8)), None)


def _names(folder: Path) -> list[str]:
    """Names in a folder; none where it is not there or must not be read."""
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []
