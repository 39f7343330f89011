"""Voxels stay where they are in the world, whatever a preprocessing does with their grid."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.transforms import CropForeground, Flip, Orientation, Resize, Spacing, SpatialPad

from agg2exp.domain.case import Grid
from agg2exp.domain.resampling import RULES, nearest, touched
from agg2exp.preprocessing.base import Preprocessor
from agg2exp.preprocessing.crop import ForegroundCrop
from agg2exp.preprocessing.intensity import Percentile, Window, ZScore
from agg2exp.preprocessing.monai_preprocessing import MonaiPreprocessing
from agg2exp.preprocessing.pad import Pad
from agg2exp.preprocessing.preprocessing import Preprocessing
from agg2exp.store.nifti import to_native, write_volume
from tests.helpers import cases

ORIENTATIONS = ["".join(letters) for pairs in permutations(("LR", "PA", "IS")) for letters in product(*pairs)]
RANDOM = np.random.default_rng(14).choice(ORIENTATIONS, (6, 2)).tolist()
ZSCORE, CROP = ZScore(nonzero=True), ForegroundCrop(margin=1)
PREPROCESSINGS = {
    "LPI": Preprocessing("LPI", (5.0, 5.0, 5.0)),
    "LAI": Preprocessing("LAI", (5.0, 5.0, 5.0), intensity=Window(0, 2000)),
    "anisotropic": Preprocessing("RAS", (3.0, 5.0, 8.0), "nearest"),
    "z-score": Preprocessing("RAS", (4.5, 4.5, 4.5), intensity=ZSCORE),
    "crop": Preprocessing("RAS", (5.0, 5.0, 5.0), crop=CROP, intensity=ZSCORE),
    "crop, own spacing": Preprocessing("PIL", crop=ForegroundCrop(), intensity=Percentile(0, 100)),
    "padded": Preprocessing("SRA", (5.0, 5.0, 5.0), "linear", CROP, ZSCORE, Pad((16, 16, 16), (8, 4, 2))),
    "as in the file": Preprocessing("native"),
    "native axes, other spacing": Preprocessing("native", (6.0, 6.0, 6.0), intensity=(Flip(0), Flip(0))),
    "MONAI": MonaiPreprocessing(
        (Orientation("LPS", labels=None), Spacing((5, 5, 5)), Flip(1), SpatialPad((24, 20, 18)), Resize((20, 25, 30)))
    ),
    "MONAI's crop": MonaiPreprocessing((CropForeground(margin=2, allow_smaller=False), Spacing((4, 4, 6)))),
} | {f"random {model}": Preprocessing(model, (4.0, 5.0, 6.0), crop=CROP) for _, model in RANDOM}
SCANS = {
    "RAS": cases.scan_grid("RAS", (4, 4, 4)),
    "LPS, thick slices, oblique": cases.scan_grid("LPS", (3, 4, 6), tilt=0.3, centre=(10, 20, -30)),
} | {f"random {scan}": cases.scan_grid(scan, (5, 4, 3), centre=(5, -70, 400)) for scan, _ in RANDOM}


def apart_from(native: Grid, centre: np.ndarray, points: np.ndarray) -> np.ndarray:
    """mm from a centre along the axes of a scan, the largest of the three."""
    return np.abs((points - centre) @ (native.affine[:3, :3] / native.spacing)).max(axis=-1)


def scan_of(native: Grid, centre: np.ndarray, size: float = 23.0) -> np.ndarray:
    """One channel that is linear in the world in a box about a centre, and 0 around it."""
    points = cases.world(native)
    return np.where(apart_from(native, centre, points) <= size, field(points - centre), 0.0)[None]


def field(points: np.ndarray) -> np.ndarray:
    return 1000 + points @ np.array([9.0, 4.0, -6.0])


def middle(native: Grid) -> np.ndarray:
    return cases.world(native).mean(axis=(0, 1, 2))


@pytest.mark.parametrize("name", PREPROCESSINGS)
@pytest.mark.parametrize("native", SCANS.values(), ids=SCANS)
def test_a_voxel_marked_in_the_network_s_space_returns_to_its_place_in_the_world(
    name: str, native: Grid, tmp_path: Path
):
    """Through the file: what a viewer shows is where it was in the network's space."""
    image, grid = PREPROCESSINGS[name].image(scan_of(native, middle(native)), native)
    assert image.shape == (1, *grid.shape)
    assert image.dtype == torch.float32
    assert type(image) is torch.Tensor
    width = np.abs(np.linalg.solve(grid.affine, native.affine)[:3, :3]).sum(axis=1)  # of a voxel of the scan, in ours
    half = np.ceil(width).astype(int) // 2
    within = nearest(np.pad(np.ones(np.array(native.shape) - 2, dtype=bool), 1), native, grid)
    places = np.argwhere(within)
    places = places[((places > half) & (places < np.array(grid.shape) - half - 1)).all(axis=1)]  # border continues
    for centre in np.random.default_rng(0).permutation(places)[:4]:
        marked = np.zeros(grid.shape, dtype=np.uint8)
        marked[tuple(slice(c - h, c + h + 1) for c, h in zip(centre, half, strict=True))] = 1
        write_volume(tmp_path / "mark.nii.gz", to_native(marked, grid, native, labels=True), native)
        file = nib.load(tmp_path / "mark.nii.gz")
        found = nib.affines.apply_affine(file.affine, np.argwhere(np.asarray(file.dataobj))).mean(axis=0)
        apart = np.linalg.solve(grid.affine[:3, :3], found) - np.linalg.solve(
            grid.affine[:3, :3], nib.affines.apply_affine(grid.affine, centre)
        )
        assert (np.abs(apart) <= 0.6 * np.maximum(width, 1)).all()


@pytest.mark.parametrize("name", PREPROCESSINGS)
@pytest.mark.parametrize("native", SCANS.values(), ids=SCANS)
def test_image_and_masks_lie_where_the_grid_says(name: str, native: Grid):
    """The image goes MONAI's way, masks go ours; both are of a field that is known everywhere in the world."""
    centre, size = middle(native), 23.0
    scan = scan_of(native, centre, size)
    preprocessing = PREPROCESSINGS[name]
    _, grid = preprocessing.image(scan, native)
    if isinstance(preprocessing, Preprocessing):
        preprocessing = replace(preprocessing, intensity=None)  # which has tests of its own
    image, same = preprocessing.image(scan, native)
    assert grid.shape == same.shape
    assert grid.distance(same) == 0
    points = cases.world(grid)
    inside = apart_from(native, centre, points) < size - max(native.spacing) - max(grid.spacing) / 2
    truth, shown = field(points - centre)[inside], image[0].numpy()[inside]
    assert len(truth) > 20
    per_mm = np.linalg.norm([9.0, 4.0, -6.0])
    off = {"anisotropic": max(native.spacing), "MONAI": 3.0}.get(name, 1e-3)  # mm
    np.testing.assert_allclose(shown, truth, atol=off * per_mm)
    assert np.mean(shown - truth) == pytest.approx(0, abs=0.2 * off * per_mm)
    edge = per_mm * (np.linalg.norm(native.spacing) + np.linalg.norm(grid.spacing)) / 2
    for rule in RULES.values():
        found = rule(scan[0] > 1050, native, grid)
        assert found.shape == grid.shape
        clear = np.abs(truth - 1050) > edge
        np.testing.assert_array_equal(found[inside][clear], truth[clear] > 1050)


@pytest.mark.parametrize("axes", ORIENTATIONS)
def test_axes_point_to_where_their_letters_say(axes: str):
    native = SCANS["LPS, thick slices, oblique"]
    for spacing in (None, (4.0, 5.0, 6.0)):
        _, grid = Preprocessing(axes, spacing).image(np.zeros((1, *native.shape)), native)
        assert "".join(nib.aff2axcodes(grid.affine)) == axes
        assert spacing is None or grid.spacing == pytest.approx(spacing)
        assert sorted(grid.spacing) == pytest.approx(sorted(spacing or native.spacing))


@pytest.mark.parametrize("interpolation", ["linear", "nearest", "cubic"])
def test_a_linear_field_keeps_its_values(interpolation: str):
    native = SCANS["LPS, thick slices, oblique"]
    preprocessing = Preprocessing("SRA", (4.0, 5.0, 6.0), interpolation)
    image, grid = preprocessing.image(cases.hounsfield(cases.world(native))[None], native)
    index = (cases.world(grid) - native.affine[:3, 3]) @ np.linalg.inv(native.affine[:3, :3]).T
    inside = ((index >= 2) & (index <= np.array(native.shape) - 3)).all(axis=-1)
    expected = cases.hounsfield(cases.world(grid))
    tolerance = {"linear": 1e-2, "nearest": 40.0, "cubic": 3.0}[interpolation]  # the spline knows the border
    assert inside.sum() > 30
    np.testing.assert_allclose(image[0].numpy()[inside], expected[inside], atol=tolerance)
    if interpolation == "nearest":
        assert np.isin(image[0].numpy(), cases.hounsfield(cases.world(native)).astype(np.float32)).all()


@pytest.mark.parametrize("name", ["crop", "crop, own spacing", "padded"])
@pytest.mark.parametrize("native", SCANS.values(), ids=SCANS)
def test_outside_a_crop_the_way_back_is_0(name: str, native: Grid):
    preprocessing = PREPROCESSINGS[name]
    scan = scan_of(native, middle(native), 9.0)
    _, grid = preprocessing.image(scan, native)
    whole = np.ones(grid.shape, dtype=np.uint8)
    for back in (to_native(whole, grid, native, labels=True), to_native(whole * 1.5, grid, native, labels=False)):
        index = (cases.world(native) - grid.affine[:3, 3]) @ np.linalg.inv(grid.affine[:3, :3]).T
        outside = np.maximum(-0.5 - index, index - np.array(grid.shape) + 0.5) * grid.spacing  # mm from the last edge
        reach = np.array(native.spacing).max()
        assert (back[(outside > reach).any(axis=-1)] == 0).all()
        assert (back[(outside < 0).all(axis=-1)] > 0).all()
        assert (back[scan[0] > 0] > 0).all()
    if name != "padded":
        assert (to_native(whole, grid, native, labels=True) == 0).any()


def test_what_is_filled_up_belongs_to_no_region():
    native = SCANS["RAS"]
    preprocessing = Preprocessing("RAS", (4.0, 4.0, 4.0), pad=Pad((40, 40, 40)))
    _, grid = preprocessing.image(np.zeros((1, *native.shape)), native)
    everywhere = np.ones(native.shape, dtype=bool)
    for rule in RULES.values():
        assert rule(everywhere, native, grid).sum() == everywhere.sum()


def test_masks_beyond_a_crop_mark_nothing():
    native = SCANS["RAS"]
    _, grid = Preprocessing(crop=ForegroundCrop()).image(scan_of(native, middle(native), 9.0), native)
    corner = np.zeros(native.shape, dtype=bool)
    corner[0, 0, 0] = True
    for rule in RULES.values():
        assert not rule(corner, native, grid).any()
    assert touched(~corner, native, grid).all()


@pytest.mark.parametrize("name", PREPROCESSINGS)
@pytest.mark.parametrize("native", SCANS.values(), ids=SCANS)
def test_the_header_tells_how_many_voxels_there_are_at_most(name: str, native: Grid):
    preprocessing: Preprocessor = PREPROCESSINGS[name]
    if isinstance(preprocessing, MonaiPreprocessing):
        assert preprocessing.voxels(native) == np.prod(native.shape)
        return
    image, _ = preprocessing.image(scan_of(native, middle(native)), native)
    ends = 1.0 if preprocessing.pad else float(np.prod([1 + 1 / (n - 1) for n in image.shape[1:]]))  # voxels on both
    assert image[0].numel() <= preprocessing.voxels(native) * ends
