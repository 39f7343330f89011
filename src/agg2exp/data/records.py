"""Where the files of a case lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agg2exp.domain.case import Grid, Origin
from agg2exp.domain.labels import Labels
from agg2exp.domain.roles import Notice


@dataclass(frozen=True)
class MaskFile:
    """Where a mask lies.

    Attributes:
        path: Its file.
        label: The label of a label map whose voxels it is; None for a file that is a mask.
        threshold: What is above it is inside, in a file of more values than 0 and one other; None refuses such a file.
    """

    path: Path
    label: int | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class CaseRecord:
    """Files and facts of one case; nothing is read yet.

    Attributes:
        id: Name of the case.
        image: The scan.
        split: Which part of the data set it belongs to.
        extra: Extra RoI masks by name; the file may be missing (mask not supplied).
        label_map: A partition for supervoxels; None if none is wanted.
        label_names: What the labels of the partition are called.
        metadata: The other columns of the data set's table.
    """

    id: str
    image: Path
    split: str
    extra: Mapping[str, MaskFile] = field(default_factory=dict)
    label_map: Path | None = None
    label_names: Mapping[int, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


class Layout(Protocol):
    """A data set's way of storing cases."""

    root: Path
    names: Labels

    def records(self) -> list[CaseRecord]:
        """All cases of the data set, in its order."""

    def absent_masks(self, records: Sequence[CaseRecord]) -> dict[str, str]:
        """Extra masks that no case has, by a typing error most likely, and what of each is not there."""

    def unknown_structures(self, records: Sequence[CaseRecord]) -> dict[str, str | None]:
        """Structures of the classes that no case has a file for, with the most similar name that exists."""

    def origin(self, record: CaseRecord) -> Origin:
        """Which scan the case is, and where its files are."""

    def annotated(self, record: CaseRecord) -> tuple[bool, ...]:
        """For each class whether the case has an annotation of it (L)."""

    def fingerprint(self, record: CaseRecord) -> str:
        """Changes when the content of a file of the case changes; the same wherever the data set is copied to."""

    def labels(self, record: CaseRecord, native: Grid, notice: Notice = ...) -> NDArray[np.uint8] | None:
        """The annotated label map, merged, (D, H, W) on the scan's own grid; None if nothing is annotated.

        `notice` is told what had to be assumed in reading it.
        """
