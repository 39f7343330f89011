"""Cases read and preprocessed one at a time."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from agg2exp.data.lost_regions import LostRegions
from agg2exp.data.masks import read_extra_masks, read_label_map
from agg2exp.data.records import CaseRecord, Layout
from agg2exp.domain.case import Case, Failure, Grid
from agg2exp.domain.code import code_of
from agg2exp.domain.errors import CaseError
from agg2exp.domain.masks import ExclusiveMasks
from agg2exp.domain.roles import Notice
from agg2exp.preprocessing.body import THRESHOLD, known_body
from agg2exp.preprocessing.preprocessing import Preprocessing
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
        begin: Is told the id of a case before it is read, in the process that reads it.
    """

    def __init__(
        self,
        layout: Layout,
        records: Sequence[CaseRecord],
        preprocessing: Preprocessing,
        limits: Limits | None = None,
        begin: Callable[[str], None] | None = None,
    ) -> None:
        self.layout = layout
        self.records = list(records)
        self.preprocessing = preprocessing
        self.limits = limits or Limits()
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
            self.limits.check(scan, self.preprocessing.spacing)
            hu, native = scan.voxels(), scan.grid
        except UnreadableVolumeError as error:
            raise CaseError(record.id, str(error)) from error
        bad = int(np.count_nonzero(~np.isfinite(hu)))
        if bad:
            raise CaseError(record.id, f"{record.image} has {bad} voxels that are NaN or infinite. Repair the scan.")
        notices = list(scan.header.notices)
        if hu.min() == hu.max():
            notices.append("every voxel of the scan has the same value, so that there is nothing in it to explain")
        image, grid = self.preprocessing.image(hu, native)

        lost = LostRegions(self.preprocessing.spacing, notices.append)
        supplied = read_extra_masks(record, native, notices.append)
        masks: dict[str, Tensor | None] = {}
        if supplied:
            masks = lost.masks(supplied, self.preprocessing.masks(np.stack(list(supplied.values())), native))
        annotation, annotated = self._annotation(record, native, lost, notices.append)
        return Case(
            id=record.id,
            image=image,
            grid=grid,
            native=native,
            annotation=annotation,
            annotated=annotated,
            extra={name: masks.get(name) for name in record.extra},
            label_names=record.label_names,
            label_map=self._label_map(record, native, lost, notices.append),
            body=self._body(hu, image, native, notices.append),
            metadata=dict(record.metadata),
            fingerprint=self.fingerprint(record),
            origin=self.layout.origin(record),
            notices=tuple(dict.fromkeys(notices)),
        )

    def _body(self, scan: NDArray[Any], image: Tensor, native: Grid, notice: Notice) -> Tensor | None:
        preprocessing = self.preprocessing
        if preprocessing.hu_range[0] >= THRESHOLD:  # a narrow window hides air
            preprocessing = replace(preprocessing, hu_range=(2 * THRESHOLD, 0.0))
            image, _ = preprocessing.image(scan, native)
        body = known_body(scan, preprocessing.to_hu(image[0]), notice)
        return None if body is None else torch.from_numpy(body)

    def _annotation(
        self, record: CaseRecord, native: Grid, lost: LostRegions, notice: Notice
    ) -> tuple[ExclusiveMasks | None, tuple[bool, ...]]:
        """The annotated classes, and which classes it knows (L)."""
        labels = self.layout.labels(record, native, notice)
        if labels is None:
            return None, ()
        resampled = self.preprocessing.labels(labels, native)
        known = lost.annotated(self.layout.annotated(record), self.layout.scheme.classes, labels, resampled)
        return ExclusiveMasks(resampled.to(torch.int16), len(self.layout.scheme)), known

    def _label_map(self, record: CaseRecord, native: Grid, lost: LostRegions, notice: Notice) -> Tensor | None:
        if record.label_map is None:
            return None
        label_map = read_label_map(record.id, record.label_map, native, notice)
        resampled = self.preprocessing.labels(label_map, native)
        lost.partition(label_map, resampled)
        return resampled.long()

    def fingerprint(self, record: CaseRecord) -> str:
        """Changes with the content of a file of the case, and with the user's code that reads it; "" if unreadable."""
        files, code = self.layout.fingerprint(record), code_of(type(self.layout), type(self.preprocessing))
        further = [part for part in (code, dict(record.label_names)) if part]
        return digest([files, *further]) if files and further else files
