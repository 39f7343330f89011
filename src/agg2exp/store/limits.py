"""How large a scan may be, asked of its header before anything is read or resampled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from agg2exp.domain.errors import SettingError, check_range
from agg2exp.store.nifti import StoredVolume
from agg2exp.store.nifti_header import UnreadableVolumeError


@dataclass(frozen=True)
class Limits:
    """Bounds that no scan of a patient exceeds, so that one bad header costs one case and not the machine.

    Attributes:
        extent_mm: Least and largest extent along each array axis.
        voxel_mm: Largest edge of a voxel.
        gigabytes: Most memory for its voxels: as stored, and as 32-bit numbers before and after resampling.

    Raises:
        SettingError: A limit is no number, or none.
    """

    extent_mm: tuple[float, float] = (10.0, 3000.0)
    voxel_mm: float = 50.0
    gigabytes: float = 8.0

    def __post_init__(self) -> None:
        low_high = self.extent_mm
        if not isinstance(low_high, Sequence) or len(low_high) != 2:
            raise SettingError("limits.extent_mm", low_high, "two numbers, [low, high]")
        for edge in low_high:
            check_range("limits.extent_mm", edge, 0)
        object.__setattr__(self, "extent_mm", tuple(map(float, low_high)))
        if self.extent_mm[0] >= self.extent_mm[1]:
            raise SettingError("limits.extent_mm", self.extent_mm, "[low, high] with low < high")
        check_range("limits.voxel_mm", self.voxel_mm, 0)
        check_range("limits.gigabytes", self.gigabytes, 0)

    def check(self, scan: StoredVolume, resampled: float, channels: int = 1) -> None:
        """Refuse a scan that is too large or too small.

        Args:
            scan: The file of a channel, its voxels not read.
            resampled: Voxels that it will have after preprocessing.
            channels: As large as this one, all held at once.

        Raises:
            UnreadableVolumeError: It exceeds a limit.
        """
        grid, (low, high) = scan.grid, self.extent_mm
        gigabytes = channels * max(scan.header.n_bytes, 4 * math.prod(grid.shape), 4 * resampled) / 1e9
        extent = " x ".join(f"{mm:.4g}" for mm in grid.extent)
        if not (low <= min(grid.extent) and max(grid.extent) <= high):
            problem = f"covers {extent} mm, and data.limits.extent_mm allows {low:g} to {high:g} along each axis"
        elif max(grid.spacing) > self.voxel_mm:
            problem = f"has voxels of up to {max(grid.spacing):.4g} mm, and data.limits.voxel_mm is {self.voxel_mm:g}"
        elif gigabytes > self.gigabytes:
            problem = (
                f"takes {gigabytes:.3g} GB of memory (voxels {grid.shape}, {extent} mm), "
                f"and data.limits.gigabytes is {self.gigabytes:g}"
            )
        else:
            return
        raise UnreadableVolumeError(
            f"{scan.path} {problem}. Repair its header (size and unit of voxels), or set the limit as your scans need."
        )
