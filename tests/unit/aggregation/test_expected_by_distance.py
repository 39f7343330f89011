import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from agg2exp.aggregation.expected_by_distance import expected_by_distance
from agg2exp.domain.attribution import DenseAttribution, SupervoxelAttribution
from agg2exp.domain.errors import CaseError
from tests.helpers.case_regions import case_regions
from tests.unit.aggregation.slowly import expected_slowly

L = 4


def blobs(shape, seed, organs=L - 1):
    """Labels 1.. as balls, and a body that leaves a rim of air; some background lies in the body."""
    g = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    labels = np.zeros(shape, dtype=np.int16)
    for c in range(1, organs + 1):
        centre = np.array(shape) * g.uniform(0.3, 0.7, 3)
        labels[np.linalg.norm(grid - centre, axis=-1) < min(shape) * g.uniform(0.12, 0.22)] = c
    half = (np.array(shape) - 1) / 2
    body = (((grid - half) / (0.95 * half)) ** 2).sum(axis=-1) < 1.2
    return torch.from_numpy(labels), torch.from_numpy(body)


def compute(e, labels, body, spacing, classes=tuple(range(L)), attribution=None, annotation=None, extra=None, **widths):
    regions = case_regions(labels, L, annotation=annotation, extra=extra, body=body, spacing=spacing)
    return expected_by_distance(attribution or DenseAttribution(e), classes, regions, **widths)


def masks_of(labels):
    return [(labels == c).numpy() for c in range(L)]


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_formula_voxel_by_voxel(seed):
    shape, spacing, bin_mm = (7, 8, 9), (5.0, 7.5, 4.5), 6.0
    g = torch.Generator().manual_seed(seed)
    predicted, body = blobs(shape, seed)
    predicted[3, 4, 4:7] = torch.tensor([1, 2, 3], dtype=torch.int16)  # every class is present
    regions, _ = blobs(shape, seed + 100)
    e = torch.randn(3, 2, *shape, generator=g)
    extra = {"pathology": torch.rand(shape, generator=g) < 0.2, "empty": torch.zeros(shape, dtype=torch.bool)}
    result = compute(e, predicted, body, spacing, classes=(2, 0, 1), annotation=regions, extra=extra, bin_mm=bin_mm)
    masks = [*masks_of(regions), *(m.numpy() for m in extra.values())]
    assert result.dtype == torch.float64
    expected = expected_slowly(e, masks_of(predicted), masks, body, spacing, bin_mm, (2, 0, 1))
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-5, atol=1e-7)
    assert (result[:, -1] == 0).all()


def test_class_outside_the_body_still_sets_the_distance():
    shape, spacing = (8, 7, 9), (5.0, 6.0, 7.0)
    labels = torch.zeros(shape, dtype=torch.int16)
    labels[2:4, 2:4, 2:4], labels[1, 5, 2], labels[6:, 1, 7:] = 1, 2, 3
    body = torch.zeros(shape, dtype=torch.bool)
    body[1:5, 1:6, 1:5] = True
    e = torch.rand(L, 1, *shape, generator=torch.Generator().manual_seed(0))
    masks = masks_of(labels)
    expected = expected_slowly(e, masks, masks, body, spacing, 4.0, range(L))
    np.testing.assert_allclose(compute(e, labels, body, spacing), expected, rtol=1e-5)


def test_background_that_only_surrounds_the_body_sets_the_distance():
    body = torch.zeros(9, 9, 9, dtype=torch.bool)
    body[1:8, 1:8, 1:8] = True
    labels = body.to(torch.int16)
    labels[4, 4, 2:6] = 2
    e = torch.rand(L, 1, 9, 9, 9, generator=torch.Generator().manual_seed(0))
    masks = masks_of(labels)
    expected = expected_slowly(e, masks, masks, body, (5.0,) * 3, 4.0, (0,))
    np.testing.assert_allclose(compute(e, labels, body, (5.0,) * 3, classes=(0,)), expected, rtol=1e-5)


def distance_kernel(labels, spacing, length):
    """e_a(i) = exp(-d/length), d the exact distance to class a; (K, 1, D, H, W)."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in labels.shape), indexing="ij"), axis=-1) * np.array(spacing)
    out = []
    for a in range(L):
        distance, _ = cKDTree(grid[labels.numpy() == a]).query(grid)
        out.append(np.exp(-distance / length))
    return torch.from_numpy(np.stack(out)[:, None])


def shares(e, labels):
    total = e.abs().sum(dim=(1, 2, 3, 4))
    return torch.stack([(e.abs() * (labels == c)).sum(dim=(1, 2, 3, 4)) / total for c in range(L)], dim=1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("spacing", "tolerance"), [((4.5, 5.0, 5.5), 0.003), ((2.0, 2.0, 2.0), 0.008), ((1.3, 5.0, 4.5), 0.01)]
)
def test_attribution_by_distance_alone_is_as_expected(seed, spacing, tolerance):
    """With grid 4 mm the first spacing is not coarsened, the second by 2, the third by 3 along one axis."""
    labels, body = blobs((22, 20, 18), seed)
    e = distance_kernel(labels, spacing, 15.0) * body
    result, observed = compute(e, labels, body, spacing), shares(e, labels)
    off = ~torch.eye(L, dtype=torch.bool)
    torch.testing.assert_close(result[off], observed[off], atol=tolerance, rtol=0)


@pytest.mark.parametrize("seed", range(3))
def test_coarse_distances_are_near_the_exact_ones(seed):
    labels, body = blobs((24, 26, 28), seed)
    e = distance_kernel(labels, (2.0,) * 3, 12.0) * torch.rand(labels.shape, generator=torch.Generator().manual_seed(0))
    exact = compute(e, labels, body, (2.0,) * 3, grid_mm=2.0)
    coarse = compute(e, labels, body, (2.0,) * 3, grid_mm=4.0)
    off = ~torch.eye(L, dtype=torch.bool)
    assert not torch.equal(coarse[off], exact[off])
    torch.testing.assert_close(coarse[off], exact[off], atol=0.008, rtol=0)


def test_attribution_inside_the_class_says_nothing_about_its_neighbours():
    """Even where a cell of the coarse grid holds a bit of the class and a bit of its neighbour."""
    labels, body = blobs((24, 26, 28), 0)
    e = (labels == 1).float()[None, None].expand(L, -1, -1, -1, -1)
    result = compute(e, labels, body, (1.3, 1.3, 1.3))
    assert (result[1, [0, 2, 3]] == 0).all()


@pytest.mark.parametrize("spacing", [(5.0, 5.0, 5.0), (2.0, 2.0, 2.0)])
def test_row_without_its_own_class_sums_to_the_mass_of_the_body_around_it(spacing):
    """Regions equal to the prediction: shell 0 holds only the class itself, so the rest goes to the others."""
    labels, body = blobs((16, 17, 18), 1)
    e = torch.rand(L, 1, *labels.shape, generator=torch.Generator().manual_seed(3))
    result = compute(e, labels, body, spacing)
    for a in range(L):
        around = e[a, 0][body & (labels != a)].double().sum() / e[a].double().sum()
        torch.testing.assert_close(result[a].nansum(), around, rtol=1e-5, atol=1e-6)


def test_padding_with_air_changes_nothing():
    labels, body = blobs((12, 13, 14), 2)
    e = torch.rand(L, 1, *labels.shape, generator=torch.Generator().manual_seed(3)) * body
    wide = [torch.nn.functional.pad(v, (6, 3, 4, 8, 5, 7)) for v in (e, labels, body)]
    spacing = (5.0, 6.0, 7.0)
    torch.testing.assert_close(compute(*wide, spacing), compute(e, labels, body, spacing), equal_nan=True)


def test_supervoxels_equal_their_voxels():
    labels, body = blobs((12, 13, 14), 2)
    g = torch.Generator().manual_seed(0)
    few = SupervoxelAttribution(torch.randint(0, 30, labels.shape, generator=g), torch.randn(L, 30, generator=g))
    dense = torch.stack([few.dense(k) for k in range(L)])
    result = compute(dense, labels, body, (5.0,) * 3, attribution=few)
    torch.testing.assert_close(result, compute(dense, labels, body, (5.0,) * 3), equal_nan=True)


def test_what_is_not_defined_is_nan():
    labels, body = blobs((10, 11, 12), 0)
    labels[labels == 3] = 1
    e = torch.rand(L, 1, *labels.shape)
    e[2] = 0
    result = compute(e, labels, body, (5.0,) * 3, extra={"missing": None, "body": body})
    assert result[[2, 3]].isnan().all()  # no attribution; absent
    assert result[:, L].isnan().all()
    assert result[:2].isnan().sum() == 2 + 2  # b = a, and the missing mask
    assert (result[:2, 3] == 0).all()  # as source, an absent class has nothing
    inside = (e[:2, 0].double() * body).sum(dim=(1, 2, 3)) / e[:2].double().sum(dim=(1, 2, 3, 4))
    torch.testing.assert_close(result[:2, L + 1], inside, rtol=1e-5, atol=1e-6)
    assert compute(e, labels, torch.zeros_like(body), (5.0,) * 3).isnan().all()


def test_label_out_of_range_is_an_error():
    labels, body = blobs((10, 11, 12), 0)
    e = torch.rand(L, 1, *labels.shape)
    labels[0, 0, 0] = -1
    with pytest.raises(CaseError, match=r"toy.*-1"):
        compute(e, labels, body, (5.0,) * 3)
