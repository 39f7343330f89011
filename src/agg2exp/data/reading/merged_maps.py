"""Merged label maps are kept, since a case may have a hundred masks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agg2exp.data.reading.masks import read_label_map
from agg2exp.domain.case import Grid
from agg2exp.domain.code import versions
from agg2exp.domain.errors import CaseError, SettingError
from agg2exp.domain.names import safe_name
from agg2exp.store.cache_folder import check_cache, claim_cache
from agg2exp.store.digests import digest
from agg2exp.store.nifti import write_volume

log = logging.getLogger(__name__)

SETTING = "data.cache"


class MergedMaps:
    """`<folder>/labels/<case>-<digest>.nii.gz`.

    Args:
        folder: Where they are kept.

    Raises:
        SettingError: The folder holds what somebody else made.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()
        check_cache(self.folder, SETTING)

    def get(
        self, case_id: str, parts: Iterable[object], native: Grid, make: Callable[[], NDArray[np.uint8]]
    ) -> NDArray[np.uint8]:
        """The label map (D, H, W) on the scan's grid, from the cache or made and kept.

        Args:
            case_id: The case.
            parts: What it depends on besides the scan's grid and our own code.
            native: The scan's grid.
            make: Makes it.
        """
        key = digest([*parts, native.shape, native.affine.tolist(), versions()["agg2exp"]])
        path = self.folder / "labels" / f"{safe_name(case_id)}-{key}.nii.gz"
        if path.is_file():
            try:
                return read_label_map(case_id, path, native).astype(np.uint8)
            except CaseError as error:
                log.warning("the merged label map is made again: %s", error)
        label_map = make()
        try:
            claim_cache(self.folder, SETTING)
            write_volume(path, label_map, native)
        except (OSError, SettingError) as error:
            log.warning("merged label map is not kept for the next run: %s", error)
        return label_map
