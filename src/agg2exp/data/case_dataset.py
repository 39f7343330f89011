"""Cases read and preprocessed one at a time."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from agg2exp.data.lost_regions import LostRegions
from agg2exp.data.masks import read_extra_masks, read_label_map
from agg2exp.data.records import CaseRecord, Layout
from agg2exp.domain.case import Case, Failure, Grid
from agg2exp.domain.code import code_of
from agg2exp.domain.errors import CaseError, check_choice
from agg2exp.domain.masks import ExclusiveMasks
from agg2exp.domain.resampling import RULES, nearest
from agg2exp.domain.roles import Notice
from agg2exp.preprocessing.base import Preprocessor
from agg2exp.store.digests import digest
from agg2exp.store.limits import Limits
from agg2exp.store.nifti import UnreadableVolumeError, open_volume


class CaseDataset(Dataset[Case | Failure]):
    """Cases of a layout; a case that cannot be read comes out as a `Failure`, so that the others go on.

    Args:
        layout: Where their files lie.
        records: The cases.
        preprocessing: What the model was trained on.
        limits: Of what is read.
        resample: Which voxels belong to a resampled extra mask: "nearest", those whose nearest voxel does; "any", also
            those that a voxel of the mask falls into, so that small regions survive; "linear", those that the mask
            covers by more than half. Label maps take the nearest voxel.
        begin: Is told the id of a case before it is read, in the process that reads it.
    """

    def __init__(
        self,
        layout: Layout,
        records: Sequence[CaseRecord],
        preprocessing: Preprocessor,
        limits: Limits | None = None,
        resample: str = "nearest",
        begin: Callable[[str], None] | None = None,
    ) -> None:
        self.layout = layout
        self.records = list(records)
        self.preprocessing = preprocessing
        self.limits = limits or Limits()
        check_choice("resample", resample, tuple(RULES))
        self.resample = resample
        self.begin = begin

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Case | Failure:
        record = self.records[index]
        if self.begin is not None:
            self.begin(record.id)
        try:
            return self.read(record)
        except Exception as error:  # noqa: BLE001 - whatever one file does, it is recorded and the others go on
            message = (
                str(error) if isinstance(error, CaseError) else f"case {record.id}: {record.image.parent}: {error}"
            )
            return Failure(record.id, "reading", message, traceback.format_exc())

    def read(self, record: CaseRecord) -> Case:
        """Read and preprocess one case.

        Raises:
            CaseError: A file is missing, damaged, of the wrong shape, or has non-finite voxels.
        """
        try:
            scan = open_volume(record.image)
            self.limits.check(scan, self.preprocessing.voxels(scan.grid))
            voxels, native = scan.voxels(), scan.grid
        except UnreadableVolumeError as error:
            raise CaseError(record.id, str(error)) from error
        bad = int(np.count_nonzero(~np.isfinite(voxels)))
        if bad:
            raise CaseError(record.id, f"{record.image} has {bad} voxels that are NaN or infinite. Repair the scan.")
        notices = list(scan.header.notices)
        if voxels.min() == voxels.max():
            notices.append("every voxel of the scan has the same value, so that there is nothing in it to explain")
        prepared = self.preprocessing.prepare(voxels[None], native, notices.append)
        grid = prepared.grid

        lost = LostRegions(grid.spacing, notices.append)
        supplied = read_extra_masks(record, native, notices.append)
        masks: dict[str, Tensor | None] = {}
        if supplied:
            rule = RULES[self.resample]
            resampled = np.stack([rule(mask != 0, native, grid) for mask in supplied.values()])
            masks = lost.masks(supplied, torch.from_numpy(resampled))
        annotation, annotated = self._annotation(record, native, grid, lost, notices.append)
        return Case(
            id=record.id,
            image=prepared.image,
            grid=grid,
            native=native,
            annotation=annotation,
            annotated=annotated,
            extra={name: masks.get(name) for name in record.extra},
            label_names=record.label_names,
            label_map=self._label_map(record, native, grid, lost, notices.append),
            body=prepared.body,
            shown=prepared.shown,
            metadata=dict(record.metadata),
            fingerprint=self.fingerprint(record),
            origin=replace(self.layout.origin(record), display=prepared.display),
            notices=tuple(dict.fromkeys(notices)),
        )

    def _annotation(
        self, record: CaseRecord, native: Grid, grid: Grid, lost: LostRegions, notice: Notice
    ) -> tuple[ExclusiveMasks | None, tuple[bool, ...]]:
        """The annotated classes, and which classes it knows (L)."""
        labels = self.layout.labels(record, native, notice)
        if labels is None:
            return None, ()
        resampled = torch.from_numpy(nearest(labels, native, grid))
        known = lost.annotated(self.layout.annotated(record), self.layout.names.classes, labels, resampled)
        return ExclusiveMasks(resampled.to(torch.int16), len(self.layout.names)), known

    def _label_map(
        self, record: CaseRecord, native: Grid, grid: Grid, lost: LostRegions, notice: Notice
    ) -> Tensor | None:
        if record.label_map is None:
            return None
        label_map = read_label_map(record.id, record.label_map, native, notice)
        resampled = torch.from_numpy(nearest(label_map, native, grid))
        lost.partition(label_map, resampled)
        return resampled.long()

    def fingerprint(self, record: CaseRecord) -> str:
        """Changes with the content of a file of the case, and with the user's code that reads it; "" if unreadable."""
        files, code = self.layout.fingerprint(record), code_of(type(self.layout), type(self.preprocessing))
        further = [part for part in (code, dict(record.label_names)) if part]
        return digest([files, *further]) if files and further else files
