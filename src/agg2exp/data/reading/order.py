"""A further file of a case, brought into the order of the scan's voxels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agg2exp.domain.case import SAME_VOXEL, Grid
from agg2exp.domain.errors import CaseError
from agg2exp.store.nifti import StoredVolume
from agg2exp.store.nifti_header import MILLIMETRES


def order_of(case_id: str, stored: StoredVolume, native: Grid) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """What brings the voxels of a file into the order of the scan's grid, which they lie on.

    A file that does not say its unit of length may mean that of the scan.

    Raises:
        CaseError: The file does not lie on the scan's grid.
    """
    grids = [stored.grid] if stored.header.unit_known else [stored.grid.scaled(mm) for mm in MILLIMETRES.values()]
    order = next(filter(None, map(native.order_of, grids)), None)
    if order is not None:
        return order
    grid, name = stored.grid, stored.path.name
    if sorted(grid.shape) != sorted(native.shape):
        raise CaseError(case_id, f"expected {name} on the scan's grid {native.shape}, got {grid.shape}. Resample it.")
    apart = native.distance(grid)
    far = f", with corner voxels up to {apart:.3g} mm from those of the scan" if np.isfinite(apart) else ""
    raise CaseError(
        case_id,
        f"{name} lies elsewhere in space than the scan{far}; {SAME_VOXEL * min(native.spacing):.2g} mm pass. "
        "Resample it to the scan's grid, or repair its header.",
    )
