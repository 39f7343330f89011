"""A folder of scans that are named by a pattern."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agg2exp.data.reading.patterns import PLACE, check_pattern, mask_file, place
from agg2exp.data.records import CaseRecord
from agg2exp.domain.errors import DataError, SettingError
from agg2exp.domain.names import leads_outside
from agg2exp.store.tabular import read_text_table

ID, SPLIT = "image_id", "split"


class FolderLayout:
    """Every file that the pattern of the first channel fits is a case; what `{case}` stands for is its id.

    Patterns are relative to `root`. `{case}` is a name of a file or folder, or a part of it, and stands for the same
    wherever a pattern has it: `{case}.nii.gz`, `{case}/image.nii.gz`, `imagesTs/{case}_0000.nii.gz`,
    `{case}/{case}-t1n.nii.gz`.

    Args:
        root: The folder.
        images: The pattern of the scans; with several channels one for each, by the channel's name.
        structures: Patterns of annotated structures by name; `#1` behind a pattern is label 1 of a label map.
        table: A CSV with further facts, relative to `root` or absolute: its column `image_id` has ids, `split` (if
            there is one) their split, all others are metadata. None if there is none.

    Raises:
        SettingError: A pattern has no `{case}`, leads out of the folder, or has no label behind its #.
    """

    def __init__(
        self,
        root: str | Path,
        images: str | Mapping[str, str] = "{case}.nii.gz",
        structures: Mapping[str, str] | None = None,
        table: str | None = None,
    ) -> None:
        self.root = Path(root).expanduser()
        named = isinstance(images, Mapping)
        self.images: dict[str, str] = dict(images) if isinstance(images, Mapping) else {"": images}
        self.channels = tuple(self.images) if named else ()
        self.structures = dict(structures or {})
        self.table = table
        if not self.images:
            raise SettingError("layout.images", {}, "the pattern of at least one channel")
        for name, pattern in self.images.items():
            setting = f"layout.images.{name}" if named else "layout.images"
            check_pattern(setting, pattern)
            if leads_outside(pattern):
                raise SettingError(setting, pattern, "a path below data.root")
        for name, pattern in self.structures.items():
            check_pattern(f"layout.structures.{name}", pattern)

    def records(self) -> list[CaseRecord]:
        """All cases in the order of their ids.

        Raises:
            SettingError: No file fits, or the table cannot be used.
        """
        facts = self._facts()
        pattern = next(iter(self.images.values()))
        ids = sorted(filter(None, (self._id(pattern, path) for path in self.root.glob(_glob(pattern)))))
        if not ids:
            what = "a folder" if self.root.is_dir() else "no folder"
            raise SettingError("data.root", str(self.root), f"a folder with files {pattern}", f"It is {what} without.")
        return [self._record(case, dict(facts.get(case, {}))) for case in ids]

    def _record(self, case: str, facts: dict[str, str]) -> CaseRecord:
        return CaseRecord(
            id=case,
            images=tuple(place(self.root, pattern, case) for pattern in self.images.values()),
            structures={name: mask_file(self.root, pattern, case) for name, pattern in self.structures.items()},
            split=facts.pop(SPLIT, ""),
            metadata={name: value for name, value in facts.items() if value != ""},
            channels=self.channels,
        )

    def _id(self, pattern: str, path: Path) -> str | None:
        """What `{case}` stands for in a path; None if the path does not fit, or is hidden, as what macOS leaves."""
        first, *others = map(re.escape, pattern.split(PLACE))
        fits = re.compile(first + "(?P<case>[^/]+)" + others[0] + "".join("(?P=case)" + rest for rest in others[1:]))
        match = fits.fullmatch(path.relative_to(self.root).as_posix())
        return None if match is None or match["case"].startswith(".") else match["case"]

    def _facts(self) -> dict[str, dict[str, str]]:
        """The rows of the table, without the id, by id."""
        if self.table is None:
            return {}
        try:
            table = read_text_table(self.root / self.table)
            if ID not in table.header:
                raise DataError(f"{self.root / self.table}: expected a column {ID!r}, got {list(table.header)}.")
            table.check_ids(ID)
        except DataError as error:
            raise SettingError("layout.table", self.table, f"a CSV with a column {ID}", str(error)) from error
        rows: list[dict[str, Any]] = [dict(zip(table.header, row.fields, strict=True)) for row in table.rows]
        return {row.pop(ID): row for row in rows}


def _glob(pattern: str) -> str:
    """The pattern for `Path.glob`; what is special there stands for itself."""
    parts = (re.sub(r"([*?[])", r"[\1]", part) for part in pattern.split(PLACE))
    return "*".join(parts)
