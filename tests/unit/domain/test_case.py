"""Two grids are the same when their corners are; the same voxels in another order are put in order."""

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agg2exp.domain.case import SAME_VOXEL, Case, Grid
from agg2exp.domain.errors import CaseError
from tests.helpers import cases
from tests.helpers.headers import ORIENTATIONS, grids

SCAN = Grid((200, 180, 120), np.array([[-1.5, 0, 0, 150], [0, -1.5, 0, 150], [0, 0, 2.0, -90], [0, 0, 0, 1]]))


def changed(matrix: np.ndarray) -> Grid:
    return Grid(SCAN.shape, SCAN.affine @ matrix)


def slow_distance(a: Grid, b: Grid) -> float:
    """Over every voxel of both grids."""
    return float(np.linalg.norm(cases.world(a) - cases.world(b), axis=-1).max())


def turn(degrees: float) -> np.ndarray:
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize(
    "other",
    [
        changed(np.diag([1.03, 1.03, 1.03, 1])),
        changed(np.diag([1, 1, 1.002, 1])),
        changed(turn(2.5)),
        changed(turn(0.1)),
        Grid(SCAN.shape, SCAN.affine + np.array([[0] * 4, [0, 0, 0.02, 0], [0] * 4, [0] * 4])),
        Grid(SCAN.shape, SCAN.affine + np.eye(4)[:, [1, 2, 3, 0]] * 0.75),
        Grid((200, 180, 121), SCAN.affine),
    ],
    ids=["3 % wider", "0.2 % higher", "turned", "turned a little", "sheared", "half a voxel", "one slice more"],
)
def test_what_is_apart_at_any_corner_is_another_grid(other: Grid):
    assert not SCAN.same(other)
    assert not other.same(SCAN)
    assert SCAN.order_of(other) is None


def test_what_headers_round_is_the_same_grid():
    assert SCAN.same(Grid(SCAN.shape, SCAN.affine.astype(np.float32).astype(float)))
    header = nib.Nifti1Header()
    header.set_data_shape(SCAN.shape)
    oblique = changed(turn(17))
    header.set_qform(oblique.affine, code=1)
    assert oblique.same(Grid(SCAN.shape, header.get_qform()))
    six_digits = changed(np.diag([0.703125 / 0.70313, 1, 1, 1]))
    assert SCAN.same(six_digits)


@given(grids(), grids())
def test_the_distance_is_the_largest_over_all_voxels(a: Grid, b: Grid):
    b = Grid(a.shape, b.affine)
    assert a.distance(b) == pytest.approx(slow_distance(a, b), abs=1e-9)
    assert a.distance(a) == 0


@given(grids(), st.sampled_from([0.5, 2.0]), st.integers(0, 2))
def test_the_border_lies_at_a_tenth_of_the_smallest_voxel(grid: Grid, times: float, axis: int):
    affine = grid.affine.copy()
    affine[axis, 3] += times * SAME_VOXEL * min(grid.spacing)
    assert grid.same(Grid(grid.shape, affine)) == (times < 1)


@given(grids(), st.sampled_from(ORIENTATIONS))
def test_the_same_voxels_in_any_axis_order_are_put_in_order(grid: Grid, axes: str):
    volume = np.arange(np.prod(grid.shape)).reshape(grid.shape)
    image = nib.Nifti1Image(volume, grid.affine, dtype=np.int64)
    start = nib.io_orientation(grid.affine)
    turned = image.as_reoriented(nib.orientations.ornt_transform(start, nib.orientations.axcodes2ornt(tuple(axes))))
    order = grid.order_of(Grid(turned.shape, turned.affine))
    assert order is not None
    np.testing.assert_array_equal(order(np.asarray(turned.dataobj)), volume)


def test_metres_become_the_millimetres_that_a_header_would_hold():
    metres = (SCAN.affine * np.array([[1e-3], [1e-3], [1e-3], [1]])).astype(np.float32).astype(float)
    assert Grid(SCAN.shape, metres).scaled(1e3).spacing == (1.5, 1.5, 2.0)
    assert SCAN.extent == (300, 270, 240)


def test_channels_are_numbered_unless_they_have_names_and_each_has_its_own():
    grid, image = Grid((2, 2, 2), np.eye(4)), torch.zeros(2, 2, 2, 2)
    assert Case("s1", image, grid, grid).channels == ("0", "1")
    assert Case("s1", image, grid, grid, channels=("t1", "flair")).channels == ("t1", "flair")
    for wrong in (("t1",), ("t1", "t1")):
        with pytest.raises(CaseError, match=r"case s1: expected 2 different names of channels, got \['t1'"):
            Case("s1", image, grid, grid, channels=wrong)
