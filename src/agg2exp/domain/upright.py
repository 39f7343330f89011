"""Volumes with their axes turned to R, A, S, as pictures need them; nothing is resampled."""

from __future__ import annotations

from typing import Any

import numpy as np
from nibabel.orientations import apply_orientation, io_orientation
from numpy.typing import NDArray

from agg2exp.domain.case import Grid


def upright(volume: NDArray[Any], grid: Grid) -> NDArray[Any]:
    """A volume (..., D, H, W) on `grid` with its last three axes pointing to R, A, S, of an oblique one the nearest.

    >>> left_to_right = Grid((3, 1, 1), np.diag([-1.0, 1, 1, 1]))
    >>> upright(np.arange(3).reshape(3, 1, 1), left_to_right).ravel().tolist()
    [2, 1, 0]
    """
    spatial_first = np.moveaxis(volume, (-3, -2, -1), (0, 1, 2))
    return np.moveaxis(apply_orientation(spatial_first, io_orientation(grid.affine)), (0, 1, 2), (-3, -2, -1))


def upright_spacing(grid: Grid) -> tuple[float, float, float]:
    """Millimetres between voxels along R, A, S."""
    order = io_orientation(grid.affine)[:, 0].astype(int).tolist()
    right, anterior, superior = (grid.spacing[order.index(axis)] for axis in range(3))
    return right, anterior, superior
