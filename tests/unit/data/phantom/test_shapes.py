"""Solids against their textbook volumes and brute-force distances."""

from itertools import pairwise

import numpy as np
import pytest

from agg2exp.data.phantom.grid import Grid, rasterise
from agg2exp.data.phantom.patient import sample_patient
from agg2exp.data.phantom.shapes import Part, Profile, ellipsoid, frame, smooth, tube


def cloud(seed, low, high, count=20_000):
    rng = np.random.default_rng(seed)
    return rng.uniform(low, high, (count, 3)).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_rotated_ellipsoid_has_its_volume_and_lies_in_its_box(seed):
    rng = np.random.default_rng(seed)
    radii = tuple(rng.uniform(10, 30, 3))
    solid = ellipsoid((5.0, -3.0, 8.0), radii, frame(tuple(rng.normal(size=3)), tuple(rng.normal(size=3))))
    points = cloud(seed, -45, 55, 60_000)
    inside = solid.inside(*points.T)
    assert inside.mean() * 100**3 == pytest.approx(4 / 3 * np.pi * np.prod(radii), rel=0.08)
    found = points[inside]
    assert (found >= np.array(solid.low) - 1e-3).all() and (found <= np.array(solid.high) + 1e-3).all()
    extent = np.array(solid.high) - solid.low
    assert (found.max(0) - found.min(0) > 0.85 * extent).all(), "the box is tight"


@pytest.mark.parametrize("seed", range(3))
def test_tube_is_the_set_of_points_near_the_polyline(seed):
    rng = np.random.default_rng(seed)
    path = rng.uniform(-20, 20, (4, 3))
    points = cloud(seed, -35, 35, 4000)
    inside = np.any([solid.inside(*points.T) for solid in tube(path, 6.0)], axis=0)
    dense = np.concatenate([a + np.linspace(0, 1, 200)[:, None] * (b - a) for a, b in pairwise(path)])
    distance = np.linalg.norm(points[:, None] - dense[None].astype(np.float32), axis=2).min(1)
    clear = np.abs(distance - 6) > 0.1
    assert np.array_equal(inside[clear], distance[clear] < 6)


def test_tapering_tube_follows_both_radii():
    (cone,) = tube([(0, 0, 0), (0, 0, 100)], [10, 2])
    x = np.array([9.5, 9.5, 1.5, 2.5, 5.5, 6.5], np.float32)
    z = np.array([0, 50, 100, 100, 50, 50], np.float32)
    assert cone.inside(x, 0 * x, z).tolist() == [True, False, True, False, True, False]


def test_profile_meets_its_knots_and_stays_constant_outside():
    knots = {-50.0: 3.0, 0.0: 10.0, 20.0: 4.0}
    profile = Profile(knots)
    assert profile(list(knots)) == pytest.approx(list(knots.values()), abs=1e-4)
    assert profile([-500, 500]) == pytest.approx([3, 4], abs=1e-4)
    middle = profile(np.linspace(-50, 0, 101))
    assert (np.diff(middle) >= 0).all(), "monotone between knots"


def test_smooth_keeps_the_ends_and_the_count():
    path = smooth([(0, 0, 0), (10, 5, 0), (20, 0, 3)], 9)
    assert path.shape == (9, 3)
    assert path[0] == pytest.approx([0, 0, 0]) and path[-1] == pytest.approx([20, 0, 3])


def test_frame_is_orthonormal_and_keeps_the_first_direction():
    rows = frame((1.0, 2.0, 2.0), (0.0, 1.0, 5.0))
    assert rows @ rows.T == pytest.approx(np.eye(3), abs=1e-12)
    assert rows[0] == pytest.approx([1 / 3, 2 / 3, 2 / 3])


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1)])
@pytest.mark.parametrize("seed", range(4))
def test_window_loses_no_voxel_of_the_box(seed, signs):
    rng = np.random.default_rng(seed)
    grid = Grid.of(sample_patient(rng), (6.0, 7.0, 5.0), signs)
    solid = ellipsoid(tuple(rng.uniform(-90, 90, 3)), tuple(rng.uniform(5, 60, 3)))
    in_box = np.ones(grid.x.shape, bool)
    for axis, coordinate in enumerate((grid.x, grid.y, grid.z)):
        in_box &= (coordinate >= solid.low[axis]) & (coordinate <= solid.high[axis])
    total = in_box.sum()
    assert in_box[grid.window(solid)].sum() == total > 0


def test_later_parts_win_and_within_restricts():
    grid = Grid.of(sample_patient(np.random.default_rng(0)), (6.0, 6.0, 6.0), (1, 1, 1))
    ball, small = ellipsoid((0, 0, 0), (60, 60, 60)), ellipsoid((40, 0, 0), (50, 50, 50))
    free, numbers = rasterise(grid, [Part("a", [ball]), Part("b", [small])])
    bound, _ = rasterise(grid, [Part("a", [ball]), Part("b", [small], within=("a",))])
    a, b = ball.inside(grid.x, grid.y, grid.z), small.inside(grid.x, grid.y, grid.z)
    assert np.array_equal(free == numbers["b"], b)
    assert np.array_equal(bound == numbers["b"], a & b)
    assert np.array_equal(bound == numbers["a"], a & ~b)
