"""Label maps and masks from one grid to another: which voxel is the nearest, and how much of a voxel a mask covers.

A voxel of the new grid often lies exactly between two of the old one (every second one from 3 to 1.5 mm). Neither is
nearer, and always the same side would move regions by a quarter of an old voxel against the image, which is
interpolated. So such ties go to both sides alike, as in a checkerboard: where the indices of the lower candidates have
an even sum, to the lower voxel, else to the upper one. Regions keep their volume and centre, be their faces curved or
flat.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import product
from operator import add, mul
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from agg2exp.domain.case import Grid

TIE = 1e-3  # voxels; headers hold float32, so that a tie is met to about 1e-4


def nearest(volume: NDArray[Any], source: Grid, target: Grid) -> NDArray[Any]:
    """The value of the voxel whose centre is nearest, ties as above.

    The border continues to the bounding box of the source along the axes of the target; further outside, as in what
    was filled up, all is 0.

    Args:
        volume: (D, H, W) or (M, D, H, W) on `source`.
        source: The grid of `volume`.
        target: The grid of the result.

    Returns:
        (D', H', W') or (M, D', H', W') of the same type.
    """
    places = _places(target, source)
    lower = [np.ceil(x - 0.5 - TIE).astype(np.int64) for x in places]
    tied = [x - low > 0.5 - TIE for x, low in zip(places, lower, strict=True)]
    odd = reduce(add, lower) % 2 == 1
    chosen = tuple(
        np.clip(np.where(tie & odd, low + 1, low), 0, n - 1) if tie.any() else np.clip(low, 0, n - 1)
        for low, tie, n in zip(lower, tied, source.shape, strict=True)
    )
    result = np.asarray(volume[(..., *chosen)])
    for axis, (first, end) in enumerate(_box(source, target)):
        if first > 0 or end < target.shape[axis]:
            along = np.moveaxis(result, axis - 3, 0)
            along[: max(first, 0)] = 0
            along[max(end, 0) :] = 0
    return result


def touched(mask: NDArray[np.bool_], source: Grid, target: Grid) -> NDArray[np.bool_]:
    """Voxels whose nearest voxel is in the mask, and voxels that the centre of a voxel of the mask falls into.

    However small a region is, it keeps a voxel; the price is that regions of few voxels come out too large.

    Args:
        mask: (D, H, W) on `source`.
        source: The grid of `mask`.
        target: The grid of the result (D', H', W').
    """
    result = nearest(mask, source, target)
    matrix = _matrix(source, target)
    exact = np.argwhere(mask) @ matrix[:3, :3].T + matrix[:3, 3]
    last = np.array(target.shape) - 1
    exact = exact[((exact > -1 - TIE) & (exact < last + 1 + TIE)).all(axis=1)]  # of a crop, some lie outside
    result[tuple(np.clip(np.rint(exact).astype(np.int64), 0, last).T)] = True
    return result


def mostly_covered(mask: NDArray[np.bool_], source: Grid, target: Grid) -> NDArray[np.bool_]:
    """Voxels of which the mask covers more than half of the volume that lies in the scan.

    Where it is half exactly, the nearest voxel decides. The volume comes from the mask's integral image I, which is
    linear in each cell along each axis: Σ ± I over the eight corners of the voxel.

    Args:
        mask: (D, H, W) on `source`.
        source: The grid of `mask`.
        target: The grid of the result (D', H', W').
    """
    matrix = _matrix(target, source)
    width = np.abs(matrix[:3, :3]).sum(axis=1)  # of a new voxel along the old axes, in old voxels
    integral = np.pad(mask, ((1, 0),) * 3).astype(np.float64).cumsum(0).cumsum(1).cumsum(2)
    covered = np.zeros(target.shape)
    for side in product((-1, 1), repeat=3):
        corner = matrix[:3, 3] + 0.5 + np.array(side) / 2 * width  # I(n) counts the voxels before n
        part = affine_transform(integral, matrix[:3, :3], corner, output_shape=target.shape, order=1, mode="nearest")
        covered += np.prod(side) * part
    inside = reduce(
        mul,
        (
            np.clip(x + 0.5 + w / 2, 0, n) - np.clip(x + 0.5 - w / 2, 0, n)
            for x, w, n in zip(_places(target, source), width, source.shape, strict=True)
        ),
    )
    share = covered / np.maximum(inside, TIE)
    return np.where(np.abs(share - 0.5) < TIE, nearest(mask, source, target), share > 0.5)


RULES: dict[str, Callable[[NDArray[Any], Grid, Grid], NDArray[Any]]] = {
    "nearest": nearest,
    "any": touched,
    "linear": mostly_covered,
}
"""How masks are resampled, by the word of the setting."""


def inside(grid: Grid, other: Grid) -> NDArray[np.bool_]:
    """Voxels of `grid`, (D, H, W), any part of which lies in the volume of `other`."""
    width = np.abs(_matrix(grid, other)[:3, :3]).sum(axis=1)
    within = (
        (x > -0.5 - w / 2 + TIE) & (x < n - 0.5 + w / 2 - TIE)
        for x, w, n in zip(_places(grid, other), width, other.shape, strict=True)
    )
    return np.broadcast_to(reduce(np.logical_and, within), grid.shape)


def _box(source: Grid, target: Grid) -> list[tuple[int, int]]:
    """The first voxel along each axis of the target that is partly in the box of the source, and the one behind."""
    matrix = _matrix(source, target)
    corners = np.array(list(product(*((-0.5, n - 0.5) for n in source.shape)))) @ matrix[:3, :3].T + matrix[:3, 3]
    low, high = corners.min(axis=0), corners.max(axis=0)
    return [(int(np.floor(a - 0.5 + TIE)) + 1, int(np.ceil(b + 0.5 - TIE))) for a, b in zip(low, high, strict=True)]


def _matrix(grid: Grid, other: Grid) -> NDArray[np.float64]:
    """(4, 4) from voxel indices of `grid` to those of `other`, without rounding's traces of other axes."""
    matrix = np.linalg.solve(other.affine, grid.affine)
    reach = np.abs(matrix[:3, :3]) * np.array(grid.shape)
    matrix[:3, :3][reach < TIE / 10] = 0
    return np.asarray(matrix, dtype=np.float64)


def _places(grid: Grid, other: Grid) -> list[NDArray[np.float64]]:
    """Index in `other` of each voxel of `grid` along the three axes of `other`.

    Arrays that broadcast to (D, H, W): of full shape only where the axes of the grids are not parallel.
    """
    axes = np.ogrid[tuple(slice(n) for n in grid.shape)]
    return [
        reduce(
            add, (factor * axis for factor, axis in zip(row[:3], axes, strict=True) if factor), row[3:].reshape(1, 1, 1)
        )
        for row in _matrix(grid, other)[:3]
    ]
