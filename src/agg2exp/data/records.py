"""What a layout tells of a case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agg2exp.domain.files import MaskFile


@dataclass(frozen=True)
class CaseRecord:
    """Files and facts of one case; nothing is read yet.

    Attributes:
        id: Name of the case, unique in the data set; it names the files of its results.
        images: The scan, a file for each channel in the order of the model's channels (C).
        structures: By name, where annotated structures lie; one whose file is missing was not annotated.
        extra: By name, masks of further regions; one whose file is missing was not supplied.
        label_map: A partition for supervoxels; None if none is wanted.
        split: Which part of the data set it belongs to, if there are any.
        metadata: Facts about the patient or scan.
        channels: Names of the channels (C), the same for all cases; "0", "1", … if there are none.
    """

    id: str
    images: tuple[Path, ...]
    structures: Mapping[str, MaskFile] = field(default_factory=dict)
    extra: Mapping[str, MaskFile] = field(default_factory=dict)
    label_map: Path | None = None
    split: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
