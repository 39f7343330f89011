from dataclasses import replace

import pytest
import torch

from agg2exp.domain import attribution as module
from agg2exp.domain.attribution import DenseAttribution, SupervoxelAttribution
from agg2exp.domain.errors import SettingError
from agg2exp.domain.regions import Regions

SHAPE = (4, 5, 6)
S = 7


def regions(g):
    partition = torch.randint(0, 4, SHAPE, generator=g).to(torch.int16)
    return Regions(partition, 5, torch.rand(2, *SHAPE, generator=g) < 0.3)  # part 4 has no voxels


def masks_of(r):
    return [*(r.partition == part for part in range(r.n_parts)), *r.masks]


def dense(g):
    return DenseAttribution(torch.randn(3, 2, *SHAPE, generator=g))


def supervoxels(g, expansion="density"):
    partition = torch.randint(0, S, SHAPE, generator=g)
    return SupervoxelAttribution(partition, torch.randn(3, S, generator=g), expansion)


MAKERS = [dense, supervoxels, lambda g: supervoxels(g, "value")]


@pytest.mark.parametrize(("chunk", "most_parts"), [(1, 1024), (7, 1024), (7, 4), (120, 5), (1 << 15, 4)])
@pytest.mark.parametrize("make", MAKERS)
def test_region_mass_is_a_sum_over_voxels(make, chunk, most_parts, monkeypatch):
    """Of a partition of five parts, by their product or by index."""
    monkeypatch.setattr(module, "CHUNK", chunk)
    monkeypatch.setattr(module, "MOST_PARTS", most_parts)
    for seed in range(3):
        g = torch.Generator().manual_seed(seed)
        e, r = make(g), regions(g)
        positive, negative = e.region_mass(r)
        assert positive.dtype == negative.dtype == torch.float64
        assert positive.shape == negative.shape == (3, len(e.dense(0)), 7)
        for k in range(3):
            values = e.dense(k).double()
            for j, mask in enumerate(masks_of(r)):
                inside = values[:, mask]
                torch.testing.assert_close(positive[k, :, j], inside.clamp(min=0).sum(dim=1), atol=1e-5, rtol=1e-5)
                torch.testing.assert_close(negative[k, :, j], -inside.clamp(max=0).sum(dim=1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", MAKERS)
def test_subset_sum_is_a_sum_over_voxels(make):
    for seed in range(3):
        g = torch.Generator().manual_seed(seed)
        e = make(g)
        voxels = torch.randperm(120, generator=g)[:50]
        expected = torch.stack([e.dense(k).double().flatten(1)[:, voxels].sum() for k in range(3)])
        assert e.subset_sum(voxels).dtype == torch.float64
        torch.testing.assert_close(e.subset_sum(voxels), expected, atol=1e-5, rtol=1e-5)


def test_region_mass_of_very_many_parts_needs_no_matrix_as_wide():
    """2¹⁴ cells, as the masks of an untrained network may have; the zero-one matrix would take 2 GB."""
    g = torch.Generator().manual_seed(0)
    n = 1 << 14
    partition = torch.randint(0, n, (40, 40, 40), generator=g)
    e = DenseAttribution(torch.randn(2, 1, 40, 40, 40, generator=g))
    mask = torch.rand(1, 40, 40, 40, generator=g) < 0.5
    positive, negative = e.region_mass(Regions(partition, n, mask))
    mass = (positive + negative)[:, 0]
    for k in range(2):
        size = e.values[k, 0].abs().double()
        expected = torch.bincount(partition.flatten(), size.flatten(), minlength=n)
        torch.testing.assert_close(mass[k, :-1], expected)
        torch.testing.assert_close(mass[k, -1], size[mask[0]].sum(), rtol=1e-6, atol=0)


def test_density_keeps_the_sum_and_value_keeps_the_value():
    g = torch.Generator().manual_seed(0)
    density = supervoxels(g)
    total = torch.stack([density.dense(k).sum() for k in range(3)])
    torch.testing.assert_close(total, density.values.sum(dim=1), atol=1e-5, rtol=1e-5)
    value = SupervoxelAttribution(density.supervoxels, density.values, "value")
    assert (value.dense(1)[0][density.supervoxels == 3] == density.values[1, 3]).all()


def test_supervoxel_without_voxels_has_no_mass():
    partition = torch.zeros(SHAPE, dtype=torch.int64)
    e = SupervoxelAttribution(partition, torch.tensor([[1.0, 5.0]]))
    positive, negative = e.region_mass(Regions(partition, 1, torch.zeros(0, *SHAPE, dtype=torch.bool)))
    torch.testing.assert_close(positive, torch.ones(1, 1, 1, dtype=torch.float64))
    assert (negative == 0).all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_membership_has_one_part_per_voxel_and_any_masks(dtype):
    r = regions(torch.Generator().manual_seed(1))
    r = Regions(r.partition.to(dtype), r.n_parts, r.masks)
    chunks = [(part, matrix.clone()) for part, matrix in r.membership(50, torch.float32)]
    matrix = torch.cat([m for _, m in chunks])
    assert [part.start for part, _ in chunks] == [0, 50, 100]
    torch.testing.assert_close(matrix, torch.stack(masks_of(r)).flatten(1).T.float())
    torch.testing.assert_close(r.voxels(), matrix.sum(dim=0).long())


def noted(make, g):
    e = make(g)
    changes = {"notes": {"gap": torch.rand(3, generator=g).double(), "other": torch.rand(3, generator=g).double()}}
    if isinstance(e, SupervoxelAttribution):
        changes["standard_errors"] = torch.rand(3, S, generator=g).double()
    return replace(e, **changes)


def part_of(e, rows):
    """The attribution of some of the classes."""
    changes = {"values": e.values[rows], "notes": {name: note[rows] for name, note in e.notes.items()}}
    if getattr(e, "standard_errors", None) is not None:
        changes["standard_errors"] = e.standard_errors[rows]
    return replace(e, **changes)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("cuts", [((0,), (1,), (2,)), ((0, 1), (2,)), ((0, 1, 2),)])
def test_parts_join_to_the_whole_in_order(make, cuts):
    whole = noted(make, torch.Generator().manual_seed(2))
    first, *rest = (part_of(whole, list(rows)) for rows in cuts)
    joined = first.joined(iter(rest), 3)
    assert type(joined) is type(whole)
    assert joined.n_classes == 3
    assert joined.expansion == whole.expansion
    assert torch.equal(joined.values, whole.values)
    assert joined.notes.keys() == whole.notes.keys()
    assert all(torch.equal(joined.notes[name], note) for name, note in whole.notes.items())
    if isinstance(whole, SupervoxelAttribution):
        assert torch.equal(joined.standard_errors, whole.standard_errors)
        assert torch.equal(joined.supervoxels, whole.supervoxels)


def test_joining_without_notes_or_standard_errors():
    for make in MAKERS:
        whole = make(torch.Generator().manual_seed(3))
        joined = part_of(whole, [0]).joined([part_of(whole, [1, 2])], 3)
        assert torch.equal(joined.values, whole.values)
        assert joined.notes == {}
        assert getattr(joined, "standard_errors", None) is None


@pytest.mark.parametrize("make", MAKERS)
def test_volumes_move_to_a_device_and_notes_stay(make):
    e = noted(make, torch.Generator().manual_seed(4)).to("meta")
    moved = [e.values, e.supervoxels, e.standard_errors] if isinstance(e, SupervoxelAttribution) else [e.values]
    assert {t.device.type for t in moved} == {"meta"}
    assert {t.device.type for t in e.notes.values()} == {"cpu"}


def test_unknown_expansion_is_refused():
    with pytest.raises(SettingError, match="expansion: expected one of 'density', 'value', got 'sum'"):
        SupervoxelAttribution(torch.zeros(SHAPE, dtype=torch.int64), torch.ones(1, 1), "sum")
