"""Files of a case: plain data, so that a finished run can find them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class MaskFile:
    """Where a mask lies.

    Attributes:
        path: Its file.
        label: The label of a label map whose voxels it is; None for a file that is a mask.
    """

    path: Path
    label: int | None = None

    def __str__(self) -> str:
        return str(self.path) if self.label is None else f"{self.path}#{self.label}"


@dataclass(frozen=True)
class Origin:
    """Which scan a case is, and where its files were found.

    Attributes:
        digest: SHA-256 of the scan's files, which says what the scan is wherever it is copied to.
        images: The scan, a file for each channel.
        annotation: By class, the files of its annotated structures that were there.
        threshold: From which value on a soft mask is inside; None: masks are no soft ones.
        display: For each channel the values of the scan's file that are drawn black and white; empty if unknown.
    """

    digest: str
    images: tuple[Path, ...]
    annotation: Mapping[str, tuple[MaskFile, ...]] = field(default_factory=dict)
    threshold: float | None = None
    display: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class LabelMapFile:
    """Where the label maps of supervoxels lie.

    Attributes:
        path: Relative to the data set's folder or absolute; `{case}` stands for the case's id, and without it all cases
            share one file.
        names: Table of what the labels are called, in the same way; None if they have no names.
    """

    path: str
    names: str | None = None
