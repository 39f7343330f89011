"""Paths with a place for the case's id, and a label of a map behind the file's name."""

from __future__ import annotations

import re
from pathlib import Path

from agg2exp.data.reading.masks import LARGEST_LABEL
from agg2exp.domain.errors import SettingError
from agg2exp.domain.files import MaskFile

LABEL = re.compile(r"(?P<path>.*\.nii(\.gz)?)#(?P<label>[^/]*)", re.IGNORECASE)
"""A file with the label of a map behind it; a # elsewhere belongs to the path."""
PLACE = "{case}"


def check_pattern(setting: str, pattern: object) -> None:
    """Refuse what is no path with a place for the case's id, or has no label behind its #.

    Raises:
        SettingError: It names the setting.
    """
    if not isinstance(pattern, str) or PLACE not in pattern:
        raise SettingError(setting, pattern, f"a path that contains {PLACE}")
    match = LABEL.fullmatch(pattern)
    if match is not None and not (
        re.fullmatch("[0-9]{1,9}", match["label"]) and 0 < int(match["label"]) <= LARGEST_LABEL
    ):
        raise SettingError(setting, pattern, f"a label from 1 to {LARGEST_LABEL} after the #")


def mask_file(root: Path, pattern: str, case_id: str) -> MaskFile:
    """The mask of a case by a checked pattern, relative to `root` or absolute."""
    match = LABEL.fullmatch(pattern)
    path = pattern if match is None else match["path"]
    return MaskFile(place(root, path, case_id), None if match is None else int(match["label"]))


def place(root: Path, pattern: str, case_id: str) -> Path:
    """The file of a case by a pattern, relative to `root` or absolute."""
    return root / pattern.replace(PLACE, case_id)
