"""Masks of further regions: which files, and how they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agg2exp.data.reading.masks import MaskReader, is_there
from agg2exp.data.reading.patterns import check_pattern, mask_file
from agg2exp.data.records import CaseRecord
from agg2exp.domain.errors import SettingError
from agg2exp.domain.files import MaskFile
from agg2exp.domain.labels import Labels
from agg2exp.domain.names import problem_of


class ExtraMasks:
    """Further regions of every case.

    Args:
        patterns: By name, a path with `{case}`, relative to the data set's folder or absolute. With `#5` at its end,
            label 5 of a label map, such as an atlas or another model's prediction.
        labels: The model's classes, whose names are taken.

    Raises:
        SettingError: A name is one of a class, or names no file; a pattern does not mention the case, or has no label
            behind its #.
    """

    def __init__(self, patterns: Mapping[str, str], labels: Labels) -> None:
        self.patterns = dict(patterns)
        self.labels = labels
        self.check(self.patterns)
        for name, pattern in self.patterns.items():
            check_pattern(f"extra_masks.{name}", pattern)

    def check(self, names: Iterable[str], setting: str = "extra_masks") -> None:
        """Refuse names that classes have, or that cannot name a file."""
        names = list(names)
        if wrong := problem_of(names):
            raise SettingError(setting, names, wrong)
        for name in names:
            if name in self.labels.sources:
                raise SettingError(setting, name, "a name that is no class of the model")

    def files(self, root: Path, record: CaseRecord) -> dict[str, MaskFile]:
        """Those that the layout lists, and those of the patterns."""
        return {**record.extra, **{name: mask_file(root, p, record.id) for name, p in self.patterns.items()}}


def read_extra_masks(record: CaseRecord, reader: MaskReader) -> dict[str, NDArray[np.bool_]]:
    """The extra masks that were supplied, (D, H, W) each on the scan's own grid; each file is read once.

    Raises:
        CaseError: A file cannot be read, its grid is not the scan's, or its values are not those of a mask.
    """
    paths = dict.fromkeys(mask.path for mask in record.extra.values())
    there = [path for path in paths if is_there(record.id, path)]
    read = {name: reader.mask(mask) for path in there for name, mask in record.extra.items() if mask.path == path}
    return {name: read[name] for name in record.extra if name in read}
