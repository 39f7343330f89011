"""One case from its files, whatever the layout that listed them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from agg2exp.data.reading.annotation import AnnotationReader
from agg2exp.data.reading.extra_masks import read_extra_masks
from agg2exp.data.reading.fingerprint import fingerprint, scan_digest
from agg2exp.data.reading.images import headers_of, read_scan
from agg2exp.data.reading.lost_regions import LostRegions
from agg2exp.data.reading.masks import MaskReader, read_label_map
from agg2exp.data.records import CaseRecord
from agg2exp.domain.case import Case, Grid
from agg2exp.domain.code import code_of
from agg2exp.domain.errors import CaseError, check_choice
from agg2exp.domain.files import MaskFile, Origin
from agg2exp.domain.masks import ClassMasks, ExclusiveMasks, OverlappingMasks
from agg2exp.domain.resampling import RULES, nearest
from agg2exp.preprocessing.base import Preprocessor
from agg2exp.store.limits import Limits
from agg2exp.store.nifti import StoredVolume, UnreadableVolumeError


@dataclass(frozen=True, eq=False)
class CaseReader:
    """Reads and preprocesses cases.

    Attributes:
        preprocessing: What the model was trained on.
        annotation: Reads the annotated classes.
        resample: Which voxels belong to a resampled extra mask: "nearest", those whose nearest voxel does; "any", also
            those that a voxel of the mask falls into, so that small regions survive; "linear", those that the mask
            covers by more than half. Label maps and annotations take the nearest voxel.
        limits: Of what is read.
        label_names: What the labels of the partition for supervoxels are called.
        code: Classes whose code decides what is read, beside the preprocessing's: that of the layout.

    Raises:
        SettingError: There is no such rule of resampling.
    """

    preprocessing: Preprocessor
    annotation: AnnotationReader
    resample: str = "nearest"
    limits: Limits = field(default_factory=Limits)
    label_names: Mapping[int, str] = field(default_factory=dict)
    code: tuple[type, ...] = ()

    def __post_init__(self) -> None:
        check_choice("resample", self.resample, tuple(RULES))

    def read(self, record: CaseRecord) -> Case:
        """Read and preprocess one case.

        Raises:
            CaseError: A file is missing, damaged, of the wrong shape, or has non-finite voxels.
        """
        scan = read_scan(record.id, self.headers(record))
        native, notices = scan.grid, list(scan.notices)
        prepared = self.preprocessing.prepare(scan.voxels, native, notices.append)
        grid = prepared.grid
        lost = LostRegions(grid.spacing, notices.append)
        annotation, annotated = self._annotation(record, native, grid, lost)
        return Case(
            id=record.id,
            image=prepared.image,
            grid=grid,
            native=native,
            channels=record.channels,
            annotation=annotation,
            annotated=annotated,
            extra=self._extra(record, native, grid, lost),
            label_names=self.label_names,
            label_map=self._label_map(record, native, grid, lost),
            body=prepared.body,
            shown=prepared.shown,
            metadata=dict(record.metadata),
            fingerprint=self.fingerprint(record),
            origin=replace(self._origin(record), display=prepared.display),
            notices=tuple(dict.fromkeys(notices)),
        )

    def headers(self, record: CaseRecord) -> list[StoredVolume]:
        """The files of the channels, their voxels not read.

        Raises:
            CaseError: One is missing or no scan, or together they exceed a limit.
        """
        try:
            channels = headers_of(record.images)
            for channel in channels:
                self.limits.check(channel, self.preprocessing.voxels(channel.grid), len(channels))
        except UnreadableVolumeError as error:
            raise CaseError(record.id, str(error)) from error
        return channels

    def cost(self, record: CaseRecord) -> float:
        """Voxels after preprocessing, from the header alone; 0 for a scan that its header forbids to read."""
        try:
            return self.preprocessing.voxels(self.headers(record)[0].grid)
        except CaseError:  # it fails later, fast
            return 0.0

    def fingerprint(self, record: CaseRecord) -> str:
        """Changes with the content of a file, and with what reads it; "" if a file cannot be read."""
        structures = dict(zip(self.annotation.labels.classes, self.annotation.structures, strict=True))
        code = code_of(*self.code, type(self.preprocessing))
        return fingerprint(
            record, structures, [self.annotation.threshold, self.resample, sorted(self.label_names.items()), code]
        )

    def _annotation(
        self, record: CaseRecord, native: Grid, grid: Grid, lost: LostRegions
    ) -> tuple[ClassMasks | None, tuple[bool, ...]]:
        """The annotated classes, and which of them are known (L)."""
        masks = self.annotation.read(record, native, lost.notice)
        if masks is None:
            return None, ()
        labels, resampled = self.annotation.labels, nearest(masks, native, grid)
        known = lost.annotated(self.annotation.annotated(record), labels, masks, resampled)
        if labels.exclusive:
            return ExclusiveMasks(torch.from_numpy(resampled).to(torch.int16), len(labels)), known
        return OverlappingMasks(torch.from_numpy(resampled)), known

    def _extra(self, record: CaseRecord, native: Grid, grid: Grid, lost: LostRegions) -> dict[str, Tensor | None]:
        """The extra masks by name; None for one that was not supplied or is lost."""
        reader = MaskReader(record.id, native, self.annotation.threshold, lost.notice)
        supplied = read_extra_masks(record, reader)
        rule = RULES[self.resample]
        kept = lost.masks(supplied, {name: rule(mask, native, grid) for name, mask in supplied.items()})
        return {name: kept.get(name) for name in record.extra}

    def _label_map(self, record: CaseRecord, native: Grid, grid: Grid, lost: LostRegions) -> Tensor | None:
        if record.label_map is None:
            return None
        label_map = read_label_map(record.id, record.label_map, native, lost.notice)
        resampled = nearest(label_map, native, grid)
        lost.partition(label_map, resampled)
        return torch.from_numpy(resampled).long()

    def _origin(self, record: CaseRecord) -> Origin:
        files = {
            name: tuple(MaskFile(mask.path.absolute(), mask.label) for mask in masks.values())
            for name, masks in self.annotation.files(record).items()
        }
        return Origin(
            digest=scan_digest(record.images),
            images=tuple(path.absolute() for path in record.images),
            annotation=files,
            threshold=self.annotation.threshold,
        )
