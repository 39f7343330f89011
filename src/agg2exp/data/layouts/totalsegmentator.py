"""The layout of the TotalSegmentator data set, version 2."""

from __future__ import annotations

from pathlib import Path

from agg2exp.data.layouts.case_table import CASE, SPLIT, read_case_table
from agg2exp.data.layouts.masks_in import MasksIn
from agg2exp.data.records import CaseRecord
from agg2exp.domain.errors import DataError, SettingError


class TotalSegmentatorLayout:
    """`meta.csv` (see `read_case_table`), `<case>/ct.nii.gz`, `<case>/segmentations/<structure>.nii.gz`.

    Args:
        root: Folder with `meta.csv`.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser()

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
        folder = self.root / row[CASE]
        return CaseRecord(
            id=row[CASE],
            images=(folder / "ct.nii.gz",),
            structures=MasksIn(folder / "segmentations"),
            split=row[SPLIT],
            metadata={k: v for k, v in row.items() if k not in (CASE, SPLIT) and v != ""},
        )
