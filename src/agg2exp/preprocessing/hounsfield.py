"""Whether the intensities of a scan can be Hounsfield units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_VOXELS = 1_000_000  # looked at
DARK = -30.0  # HU; fat and air are below, and no field of view in a patient is without either
LUNG = -300.0  # HU; tissue is above
BONE = 600.0  # HU
OFFSETS = (1024.0, 1000.0)


def not_hounsfield(scan: NDArray[np.number]) -> str:
    """What the intensities of a scan (D, H, W) look like, in words; "" if they can be Hounsfield units.

    A CT has fat (about -100 HU) or air (-1000) in any field of view, in at least one voxel of 200, and of what is
    denser than lung less than half is as dense as bone. MRI, images scaled to [0, 1] or standardised, and CT stored
    with an offset have one or the other not.
    """
    values = sample(scan)
    if _plausible(values):
        return ""
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return "scaled to [0, 1]"
    if high - low <= 20:
        return "standardised or scaled"
    floor = float(np.quantile(values, 0.01))  # a few voxels of metal or padding may lie below
    if any(floor >= -50 and _plausible(values - offset) and _two_groups(values - offset) for offset in OFFSETS):
        return "a CT stored with an offset of 1024 or 1000 (air about 0, water about 1024 or 1000)"
    return "no CT in this unit, or a view without any fat and air"


def sample(scan: NDArray[np.number]) -> NDArray[np.float64]:
    """About `MOST_VOXELS` voxels of a scan, evenly spread."""
    return scan.ravel()[:: max(1, scan.size // MOST_VOXELS) | 1].astype(np.float64)


def _plausible(hu: NDArray[np.float64]) -> bool:
    tissue = hu[hu > LUNG]
    return bool(np.mean(hu < DARK) >= 0.005 and np.mean(tissue > BONE) < 0.5) if len(tissue) else True


def _two_groups(hu: NDArray[np.float64]) -> bool:
    """Whether tissue stands apart from air and lung, as it does in a CT."""
    return bool(np.mean((hu > -700) & (hu < -200)) < 0.15 and np.mean((hu > LUNG) & (hu < 300)) > 0.05)
