"""Masks and label maps on another grid: places, volumes, and what happens half way between two voxels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from agg2exp.domain.case import Grid
from agg2exp.domain.resampling import mostly_covered, nearest, touched
from tests.helpers import cases

SPACINGS = [(3.0, 1.5), (11.0, 5.5), (3.0, 5.5), (1.5, 3.0), (1.0, 1.5), (2.0, 3.0), (5.0, 2.0), (0.7, 1.4), (3.0, 1.0)]
ORIENTATIONS = {
    "RAS": cases.scan_grid("RAS", (4, 4, 4)),
    "LPS, thick": cases.scan_grid("LPS", (2, 2, 7), centre=(70, -150, 540)),
    "left-handed": cases.scan_grid("PSR", (3, 2, 5)),
    "oblique": cases.scan_grid("LPS", (2, 3, 5), tilt=0.3),
}


def cube(spacing: float, n: int = 24) -> Grid:
    return Grid((n, n, n), np.diag([spacing, spacing, spacing, 1.0]))


def resampled_to(native: Grid, spacing: Sequence[float]) -> Grid:
    """The grid that images on `native` get."""
    return cases.ct(spacing).image(np.zeros((1, *native.shape)), native)[1]


def sheared(grid: Grid) -> Grid:
    affine = grid.affine.copy()
    affine[:3, 2] += 0.3 * affine[:3, 1]
    return Grid(grid.shape, affine)


SHEARED = sheared(ORIENTATIONS["RAS"])


def ball(grid: Grid, centre: np.ndarray, radius: float) -> np.ndarray:
    """A ball of `radius` mm about `centre` (voxels)."""
    return ((cases.world(grid) - grid.affine[:3, :3] @ centre) ** 2).sum(axis=-1) <= radius**2


def centre_of(mask: np.ndarray, grid: Grid) -> np.ndarray:
    """Weighted centre in mm."""
    weights = np.asarray(mask, dtype=np.float64)
    return np.asarray((cases.world(grid) * weights[..., None]).sum(axis=(0, 1, 2)) / weights.sum())


def index_of(grid: Grid, other: Grid) -> np.ndarray:
    """Slow: where each voxel of `grid` lies in `other`, in voxels, by the world."""
    return (cases.world(grid) - other.affine[:3, 3]) @ np.linalg.inv(other.affine[:3, :3]).T


@pytest.mark.parametrize("low", [(10, 11, 12), (9, 14, 13), (3, 3, 3)])
@pytest.mark.parametrize("size", [(10, 10, 8), (7, 4, 9), (1, 2, 3)])
@pytest.mark.parametrize(("old", "new"), [(3.0, 1.5), (11.0, 5.5), (0.8, 0.2)])
def test_a_box_keeps_its_volume_and_its_centre_where_every_voxel_is_divided_evenly(old, new, size, low):
    native = cube(old, 25)
    grid = resampled_to(native, (new,) * 3)
    box = np.zeros(native.shape, dtype=bool)
    box[tuple(slice(a, a + n) for a, n in zip(low, size, strict=True))] = True
    found = nearest(box, native, grid)
    thin = min(size) == 1  # a checkerboard needs some voxels on a side to be even
    assert found.sum() * grid.voxel_volume == pytest.approx(box.sum() * native.voxel_volume, rel=0.35 if thin else 0.02)
    np.testing.assert_allclose(centre_of(found, grid), centre_of(box, native), atol=(0.3 if thin else 0.03) * old)


@pytest.mark.parametrize(("old", "new"), SPACINGS)
def test_a_mask_stays_where_the_image_shows_it(old, new):
    """The image is interpolated, which has no sides: a mask that shifts against it would mix regions."""
    native = cube(old)
    mask = ball(native, np.random.default_rng(0).uniform(11, 13, 3), 8.3 * old)
    preprocessing = cases.ct((new,) * 3, 0, 1)
    image, grid = preprocessing.image(mask[None].astype(np.float32), native)
    for rule in (nearest, mostly_covered):
        found = rule(mask, native, grid)
        np.testing.assert_allclose(centre_of(found, grid), centre_of(image[0].numpy(), grid), atol=0.15 * max(old, new))
        assert found.sum() / float(image.sum()) == pytest.approx(1, abs=0.08)


def test_no_side_is_preferred_half_way_between_two_voxels():
    native, grid = cube(3.0, 24), cube(1.5, 47)
    columns = np.broadcast_to(np.arange(24).reshape(-1, 1, 1), native.shape)
    found = nearest(columns, native, grid)
    exact = index_of(grid, native)[..., 0]
    between = exact % 1 == 0.5
    assert set(np.unique(found[between] - exact[between])) == {-0.5, 0.5}
    assert (found[between] - exact[between]).reshape(23, -1).mean(axis=1) == pytest.approx(0, abs=0.03)  # in each plane
    np.testing.assert_array_equal(found[~between], exact[~between])


@pytest.mark.parametrize("shift", [0.0, 270.3, -1311.7])
def test_rounding_of_the_header_does_not_decide(shift):
    """Spacings and offsets lie in the file as float32."""
    exact = [cube(0.7, 30), cube(0.35, 59)]
    stored = []
    for grid in exact:
        affine = grid.affine.copy()
        affine[:3, 3] += shift
        stored.append(Grid(grid.shape, affine.astype(np.float32).astype(np.float64)))
    volume = np.random.default_rng(0).integers(0, 1000, exact[0].shape)
    np.testing.assert_array_equal(nearest(volume, *stored), nearest(volume, *exact))


@pytest.mark.parametrize("new", [(3.0, 3.0, 3.0), (5.5, 5.5, 5.5), (1.9, 2.5, 4.0)])
@pytest.mark.parametrize("name", [*ORIENTATIONS, "sheared"])
def test_every_voxel_takes_one_whose_centre_is_nearest(name, new):
    native = SHEARED if name == "sheared" else ORIENTATIONS[name]
    grid = resampled_to(native, new)
    volumes = np.random.default_rng(0).integers(-5, 2**20, (2, *native.shape))
    found = nearest(volumes, native, grid)
    assert found.dtype == volumes.dtype
    numbers = np.arange(np.prod(native.shape)).reshape(native.shape)
    taken = np.stack(np.unravel_index(nearest(numbers, native, grid), native.shape), axis=-1)
    clipped = np.clip(index_of(grid, native), 0, np.array(native.shape) - 1)
    assert np.abs(taken - clipped).max() <= 0.5 + 2e-3
    np.testing.assert_array_equal(found[1], volumes[1].ravel()[nearest(numbers, native, grid)])


@pytest.mark.parametrize("new", [5.5, 3.0, 1.1])
@pytest.mark.parametrize("native", [*ORIENTATIONS.values(), SHEARED])
def test_no_mask_is_too_small_for_any(native: Grid, new: float):
    rng = np.random.default_rng(1)
    grid = resampled_to(native, (new,) * 3)
    for _ in range(10):
        mask = np.zeros(native.shape, dtype=bool)
        voxel = rng.integers(0, native.shape)
        mask[tuple(voxel)] = True
        found = touched(mask, native, grid)
        assert found.any()
        assert (found >= nearest(mask, native, grid)).all()
        if native is not SHEARED:  # there, the border of the scan continues far outside
            apart = cases.world(grid)[found] - (native.affine[:3, :3] @ voxel + native.affine[:3, 3])
            assert np.linalg.norm(apart, axis=1).max() < sum(native.spacing) / 2 + 1.5 * new
    assert not touched(np.zeros(native.shape, dtype=bool), native, grid).any()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("native", [cube(1.5, 20), cube(3.0, 12), cases.scan_grid("PSR", (3, 2, 5))])
@pytest.mark.parametrize("new", [(5.5, 5.5, 5.5), (3.0, 3.0, 3.0), (1.3, 2.0, 4.1)])
def test_majority_by_volume_against_counting_small_cubes(native: Grid, new, seed):
    mask = np.random.default_rng(seed).random(native.shape) < 0.5
    grid = resampled_to(native, new)
    n = 12  # small cubes along each axis of a new voxel
    offsets = (np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) + 0.5) / n - 0.5
    matrix = np.linalg.solve(native.affine, grid.affine)
    rng = np.random.default_rng(seed + 100)
    found = mostly_covered(mask, native, grid)
    for _ in range(25):
        voxel = rng.integers(0, grid.shape)
        index = np.rint((voxel + offsets) @ matrix[:3, :3].T + matrix[:3, 3]).astype(int)
        inside = ((index >= 0) & (index < native.shape)).all(axis=1)
        share = mask[tuple(index[inside].T)].mean()
        if abs(share - 0.5) > 0.04:
            assert found[tuple(voxel)] == (share > 0.5)


def test_half_covered_voxels_go_with_the_nearest():
    native, grid = cube(3.0, 12), cube(1.5, 23)
    slab = np.zeros(native.shape, dtype=bool)
    slab[4:8] = True
    np.testing.assert_array_equal(mostly_covered(slab, native, grid), nearest(slab, native, grid))


REAL = os.environ.get("AGG2EXP_REAL_DATA")


@pytest.mark.skipif(not REAL, reason="AGG2EXP_REAL_DATA is not set")
@pytest.mark.parametrize("new", [1.5, 2.0])
def test_structures_of_a_real_scan_stay_where_the_image_shows_them(new: float):
    folder = Path(str(REAL)) / "s9001" / "segmentations"
    preprocessing = cases.ct((new,) * 3, 0, 1)
    for name in ("vertebrae_T11", "aorta", "rib_left_8"):
        file = nib.load(folder / f"{name}.nii.gz")
        mask = np.asarray(file.dataobj) > 0
        native = Grid(mask.shape, file.affine)
        image, grid = preprocessing.image(mask[None].astype(np.float32), native)
        found = nearest(mask, native, grid)
        assert np.linalg.norm(centre_of(found, grid) - centre_of(image[0].numpy(), grid)) < 0.6, name
        assert found.sum() / float(torch.as_tensor(image).sum()) == pytest.approx(1, abs=0.08), name
