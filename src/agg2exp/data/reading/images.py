"""The scan of a case: a file for each channel, all on the grid of the first.

A file of four axes is refused, not read as channels: NIfTI's fourth axis is time, and such a file does not say which of
its volumes is which sequence, whereas the name of a file does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agg2exp.data.reading.order import order_of
from agg2exp.domain.case import Grid
from agg2exp.domain.errors import CaseError
from agg2exp.store.nifti import StoredVolume, UnreadableVolumeError, open_volume


@dataclass(frozen=True, eq=False)
class Scan:
    """What was read.

    Attributes:
        voxels: (C, D, H, W), of the file's own type if it is one, else float32.
        grid: The grid of the first file.
        notices: What had to be assumed, or looks wrong.
    """

    voxels: NDArray[Any]
    grid: Grid
    notices: tuple[str, ...]


def headers_of(paths: Sequence[Path]) -> list[StoredVolume]:
    """The files of all channels, their voxels not read.

    Raises:
        UnreadableVolumeError: A file is missing, no NIfTI, or its header contradicts itself.
    """
    return [open_volume(path) for path in paths]


def read_scan(case_id: str, channels: Sequence[StoredVolume]) -> Scan:
    """Read the voxels of all channels (C).

    Raises:
        CaseError: A file is damaged, does not lie on the grid of the first one, or has non-finite voxels.
    """
    native, volumes, notices = channels[0].grid, [], list[str]()
    orders = [order_of(case_id, channel, native) for channel in channels]
    for channel, order in zip(channels, orders, strict=True):
        voxels = order(_voxels(case_id, channel))
        notices += channel.header.notices
        if voxels.min() == voxels.max():
            what = "the scan" if len(channels) == 1 else channel.path.name
            notices.append(f"every voxel of {what} has the same value, so that there is nothing in it to explain")
        volumes.append(voxels if len(channels) == 1 else voxels.astype(np.float32))
    joined = volumes[0][None] if len(volumes) == 1 else np.stack(volumes)
    return Scan(joined, native, tuple(notices))


def _voxels(case_id: str, channel: StoredVolume) -> NDArray[Any]:
    try:
        voxels = channel.voxels()
    except UnreadableVolumeError as error:
        raise CaseError(case_id, str(error)) from error
    bad = int(np.count_nonzero(~np.isfinite(voxels)))
    if bad:
        raise CaseError(case_id, f"{channel.path} has {bad} voxels that are NaN or infinite. Repair the scan.")
    return voxels
