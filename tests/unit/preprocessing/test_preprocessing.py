"""Preprocessing to the model's grid, and the way back to the scan's own."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from agg2exp.domain.case import Grid
from agg2exp.domain.errors import SettingError
from agg2exp.domain.resampling import nearest
from agg2exp.preprocessing.preprocessing import Preprocessing
from agg2exp.store.nifti import to_native, write_volume
from tests.helpers import cases

SCANS = {
    "RAS": cases.scan_grid("RAS", (4, 4, 4)),
    "LPS": cases.scan_grid("LPS", (4, 4, 4), centre=(70, -150, 540)),
    "thick slices": cases.scan_grid("LPS", (2, 2, 7)),
    "coronal": cases.scan_grid("RIA", (2.5, 4, 3), centre=(5, 6, 7)),
    "sagittal, left-handed": cases.scan_grid("PSR", (3, 2, 5)),
    "oblique": cases.scan_grid("LPS", (2, 3, 5), tilt=0.3, centre=(10, 20, -30)),
}
by_scan = pytest.mark.parametrize("native", SCANS.values(), ids=SCANS.keys())


def interior(grid: Grid, native: Grid, margin: float = 1.0) -> np.ndarray:
    """Voxels of `grid` whose centre is at least `margin` voxels inside the voxel centres of `native`."""
    points = cases.world(grid).reshape(-1, 3)
    index = (points - native.affine[:3, 3]) @ np.linalg.inv(native.affine[:3, :3]).T
    inside = (index >= margin) & (index <= np.array(native.shape) - 1 - margin)
    return inside.all(axis=1).reshape(grid.shape)


def worldwise(affine: np.ndarray, index: np.ndarray) -> np.ndarray:
    return affine[:3, :3] @ index + affine[:3, 3]


@by_scan
@pytest.mark.parametrize("spacing", [(5.0, 5.0, 5.0), (2.0, 3.0, 4.0)])
def test_the_result_has_ras_axes_the_spacing_and_the_right_place(native: Grid, spacing):
    image, grid = cases.ct(spacing).image(cases.hounsfield(cases.world(native))[None], native)
    assert nib.aff2axcodes(grid.affine) == ("R", "A", "S")
    np.testing.assert_allclose(grid.spacing, spacing, rtol=1e-6)
    assert image.shape == (1, *grid.shape)
    assert image.dtype == torch.float32
    assert type(image) is torch.Tensor
    # Linear interpolation reproduces a linear field, whatever the grids.
    inside = interior(grid, native)
    expected = np.clip((cases.hounsfield(cases.world(grid)) + 1024) / 2048, 0, 1)
    assert inside.sum() > 50
    np.testing.assert_allclose(image[0].numpy()[inside], expected[inside], atol=2e-5)


def test_hounsfield_units_are_clipped_and_scaled_exactly():
    native = Grid((5, 3, 3), np.diag([2.0, 2, 2, 1]))
    hu = np.zeros((5, 3, 3), dtype=np.int16)
    hu[:, 1, 1] = [-3024, -1024, 0, 1024, 3071]
    image, grid = cases.ct((2, 2, 2)).image(hu[None], native)
    assert grid.shape == native.shape
    assert image[0, :, 1, 1].tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    image, _ = cases.ct((2, 2, 2), -1000, 0).image(hu[None], native)
    assert image[0, :, 1, 1].tolist() == [0.0, 0.0, 1.0, 1.0, 1.0]


@by_scan
def test_labels_take_the_nearest_voxel_and_lie_on_the_image_s_grid(native: Grid):
    points = cases.world(native)
    labels = cases.label_map(points - points.mean(axis=(0, 1, 2))).astype(np.uint8)
    image, grid = cases.ct((3.0, 3.0, 3.0)).image(np.zeros((1, *native.shape)), native)
    resampled = nearest(np.stack([labels, labels == 2]).astype(np.uint8), native, grid)
    assert resampled.dtype == np.uint8
    assert resampled.shape == (2, *image.shape[1:])
    np.testing.assert_array_equal(resampled[1], resampled[0] == 2)
    # Slow: look up the voxel whose centre is nearest; ties (exactly between two) are left out.
    index = (cases.world(grid).reshape(-1, 3) - native.affine[:3, 3]) @ np.linalg.inv(native.affine[:3, :3]).T
    clear = (np.abs(index - np.floor(index) - 0.5) > 0.01).all(axis=1)
    closest = np.clip(np.rint(index).astype(int), 0, np.array(native.shape) - 1)
    expected = labels[tuple(closest.T)]
    assert clear.sum() > 100
    np.testing.assert_array_equal(resampled[0].ravel()[clear], expected[clear])


@by_scan
@pytest.mark.parametrize("spacing", [(6.0, 6.0, 6.0), (3.0, 3.0, 3.0), (1.9, 1.9, 1.9)])
def test_a_marked_voxel_returns_to_the_same_place_in_the_world(native: Grid, spacing, tmp_path: Path):
    """Through the file: what a viewer shows is where it was in the preprocessed grid."""
    _, grid = cases.ct(spacing).image(np.zeros((1, *native.shape)), native)
    rng = np.random.default_rng(0)
    coarser = np.maximum(spacing, np.abs(native.affine[:3, :3]).max(axis=1))  # along R, A, S
    edge = [int(np.ceil(c / s)) | 1 for c, s in zip(coarser, spacing, strict=True)]  # odd, a native voxel or wider
    for _ in range(4):
        centre = np.array([rng.integers(1 + e // 2, n - 1 - e // 2) for e, n in zip(edge, grid.shape, strict=True)])
        marked = np.zeros(grid.shape, dtype=np.uint8)
        marked[tuple(slice(c - e // 2, c + e // 2 + 1) for c, e in zip(centre, edge, strict=True))] = 1
        write_volume(tmp_path / "mark.nii.gz", to_native(marked, grid, native, labels=True), native)
        file = nib.load(tmp_path / "mark.nii.gz")
        found = np.argwhere(np.asarray(file.dataobj))
        assert len(found)
        offset = worldwise(file.affine, found.mean(axis=0)) - worldwise(grid.affine, centre)
        assert (np.abs(offset) <= coarser / 2).all(), offset


@by_scan
def test_a_smooth_map_returns_to_its_values(native: Grid):
    _, grid = cases.ct((4.0, 4.0, 4.0)).image(np.zeros((1, *native.shape)), native)
    back = to_native(cases.hounsfield(cases.world(grid)), grid, native, labels=False)
    inside = interior(native, grid)
    assert inside.sum() > 50
    np.testing.assert_allclose(back[inside], cases.hounsfield(cases.world(native))[inside], atol=1e-3)


@by_scan
def test_labels_there_and_back_agree_away_from_borders(native: Grid):
    points = cases.world(native)
    labels = cases.label_map(points - points.mean(axis=(0, 1, 2))).astype(np.uint8)
    _, grid = cases.ct((2.0, 2.0, 2.0)).image(np.zeros((1, *native.shape)), native)
    back = to_native(nearest(labels, native, grid), grid, native, labels=True)
    assert back.shape == native.shape
    padded = np.pad(labels, 1, mode="edge")
    homogeneous = np.ones(native.shape, dtype=bool)
    for shift in np.ndindex(3, 3, 3):
        neighbour = padded[tuple(slice(s, s + n) for s, n in zip(shift, native.shape, strict=True))]
        homogeneous &= neighbour == labels
    assert {1, 2} <= set(labels[homogeneous])
    np.testing.assert_array_equal(back[homogeneous], labels[homogeneous])


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"spacing": (1.5, 1.5)}, "spacing"),
        ({"spacing": 1.5}, "spacing"),
        ({"spacing": (1.5, 0.0, 1.5)}, "spacing"),
        ({"axes": "RAR"}, "axes"),
        ({"axes": "ras"}, "axes"),
        ({"axes": "RA"}, "axes"),
        ({"axes": None}, "axes"),
        ({"interpolation": "bicubic"}, "interpolation"),
    ],
)
def test_wrong_settings_are_named(settings, key):
    with pytest.raises(SettingError, match=key):
        Preprocessing(**settings)


@pytest.mark.parametrize("part", ["crop", "pad", "body", "intensity"])
def test_a_part_that_is_only_named_is_refused(part: str) -> None:
    with pytest.raises(SettingError, match=f"{part}: expected null, "):
        Preprocessing(**{part: "zscore"})
