"""Partitions: contiguous ids, one place per id, even boxes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from agg2exp.domain.case import Case, Grid
from agg2exp.domain.errors import SettingError
from agg2exp.domain.masks import ClassMasks, ExclusiveMasks, OverlappingMasks
from agg2exp.supervoxels import Cubes, Given, LabelMap, Semantic, Slic, Supervoxels

SHAPES = [(64, 64, 64), (60, 57, 61), (20, 33, 7), (3, 2, 50)]


def case(shape: tuple[int, int, int], seed: int) -> tuple[Case, ClassMasks]:
    """A case with a label map of many values, and predicted masks."""
    g = torch.Generator().manual_seed(seed)
    grid = Grid(shape, np.eye(4))
    label_map = torch.randint(-3, 3, shape, generator=g) * 1000
    labels = torch.randint(0, 9, shape, generator=g).to(torch.int16)
    return Case("a", torch.rand(2, *shape, generator=g), grid, grid, label_map=label_map), ExclusiveMasks(labels, 9)


@pytest.mark.parametrize("shape", [(20, 19, 21), (16, 25, 7), (3, 2, 50), (1, 1, 1)])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scheme", [Cubes(64), Semantic(), Slic(20), Slic(1), LabelMap("atlas.nii.gz")], ids=str)
def test_every_scheme_gives_each_voxel_one_of_the_ids_without_gaps(
    scheme: Supervoxels, seed: int, shape: tuple[int, int, int]
) -> None:
    scan, masks = case(shape, seed)
    for partition in (scheme.for_case(scan), Given(scheme.for_case(scan)(scan.image, masks) * 5 - 2)):
        ids = partition(scan.image, masks)
        assert ids.dtype == torch.int64
        assert ids.shape == shape
        assert torch.equal(ids.unique(), torch.arange(int(ids.max()) + 1))
        assert torch.equal(partition(scan.image, masks), ids)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cubes", [Cubes(512), Cubes(64), Cubes(7), Cubes(1), Cubes(None, edge=5)])
def test_cubes_are_even_boxes_with_ids_of_their_own(shape: tuple[int, int, int], cubes: Cubes) -> None:
    ids = cubes(torch.zeros(1, *shape), ExclusiveMasks(torch.zeros(shape)))
    counts = cubes.counts(shape)
    n = math.prod(counts)
    assert torch.equal(ids.unique(), torch.arange(n))
    assert cubes.n_components is None or n <= cubes.n_components
    sizes = set()
    for s in range(n):
        where = (ids == s).nonzero()
        extent = where.amax(dim=0) - where.amin(dim=0) + 1
        assert math.prod(extent.tolist()) == len(where)  # one full box
        sizes.add(tuple(extent.tolist()))
    for axis in range(3):
        assert max(s[axis] for s in sizes) - min(s[axis] for s in sizes) <= 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("r", [1, 8, 30, 100])
def test_no_other_grid_is_nearer_to_cubes(shape: tuple[int, int, int], r: int) -> None:
    edge = (math.prod(shape) / r) ** (1 / 3)

    def misfit(counts: tuple[int, ...]) -> float:
        return sum(math.log(size / n / edge) ** 2 for size, n in zip(shape, counts, strict=True))

    grids = itertools.product(*(range(1, min(size, r) + 1) for size in shape))
    best = min(misfit(counts) for counts in grids if math.prod(counts) <= r)
    assert misfit(Cubes(r).counts(shape)) == pytest.approx(best)


def test_a_cube_is_divided_into_cubes() -> None:
    assert Cubes(512).counts((64, 64, 64)) == (8, 8, 8)
    assert Cubes(None, edge=16).counts((64, 64, 96)) == (4, 4, 6)


def test_semantic_numbers_the_classes_that_are_there() -> None:
    labels = torch.tensor([0, 3, 3, 16, 0, 5], dtype=torch.int16).reshape(1, 2, 3)
    assert Semantic()(torch.zeros(1, 1, 2, 3), ExclusiveMasks(labels, 17)).flatten().tolist() == [0, 1, 1, 3, 0, 2]


def test_semantic_supervoxels_of_overlapping_masks_are_their_cells() -> None:
    whole = torch.tensor([0, 1, 1, 1, 1, 0]).bool()
    core, enhancing = torch.tensor([0, 0, 1, 1, 0, 0]).bool(), torch.tensor([0, 0, 0, 1, 0, 0]).bool()
    other = torch.tensor([0, 0, 0, 0, 1, 1]).bool()
    image = torch.zeros(1, 1, 2, 3)
    nested = OverlappingMasks(torch.stack([whole, core, enhancing]).reshape(3, 1, 2, 3))
    assert Semantic()(image, nested).flatten().tolist() == [0, 1, 2, 3, 1, 0]
    assert Semantic().numbers(nested).tolist() == [0, 1, 3, 7]
    crossing = OverlappingMasks(torch.stack([whole, other]).reshape(2, 1, 2, 3))
    ids = Semantic()(image, crossing).flatten()
    numbers = Semantic().numbers(crossing)
    assert numbers[ids].tolist() == [0, 1, 1, 1, 3, 2]
    full = OverlappingMasks(torch.ones(2, 1, 2, 3, dtype=torch.bool))
    assert not Semantic()(image, full).any() and Semantic().numbers(full).tolist() == [3]


def test_semantic_supervoxels_of_more_regions_than_a_number_has_bits_have_none() -> None:
    bits = torch.rand(63, 2, 3, 4, generator=torch.Generator().manual_seed(0)) < 0.5
    assert Semantic().numbers(OverlappingMasks(bits)) is None
    assert (Semantic().numbers(OverlappingMasks(bits[:62])) >= 0).all()
    assert Semantic()(torch.zeros(1, 2, 3, 4), OverlappingMasks(bits)).max() == 23


@pytest.mark.parametrize("settings", [{"n_components": 0}, {"n_components": 8, "edge": 4}, {"n_components": None}])
def test_wrong_settings_are_refused(settings: dict[str, int | None]) -> None:
    with pytest.raises(SettingError):
        Cubes(**settings)
