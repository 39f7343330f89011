"""Regions of which a voxel may have several, or none."""

import numpy as np
import pytest
import torch

from agg2exp.aggregation.expected_by_distance import expected_by_distance
from agg2exp.aggregation.local_importance import local_importance
from agg2exp.aggregation.overlap import dice_and_iou
from agg2exp.domain.attribution import DenseAttribution, SupervoxelAttribution
from agg2exp.domain.masks import ExclusiveMasks, OverlappingMasks
from agg2exp.domain.roi_importance import Kind
from tests.helpers.case_regions import case_regions
from tests.unit.aggregation.slowly import expected_slowly, importance_slowly

SHAPE = (6, 7, 8)
SPACING = (5.0, 6.0, 4.5)
VOLUME = 135.0
SHARES = (Kind.IMPORTANCE, Kind.POSITIVE, Kind.NEGATIVE)


def nested(g):
    """Whole tumour, core and enhancing core."""
    depth = torch.rand(SHAPE, generator=g)
    return torch.stack([depth < 0.5, depth < 0.3, depth < 0.1])


def equal(_):
    return torch.ones(3, *SHAPE, dtype=torch.bool)


def single(g):
    return torch.rand(1, *SHAPE, generator=g) < 0.3


def crossing(g):
    """Any five masks, one of them empty."""
    bits = torch.rand(5, *SHAPE, generator=g) < 0.4
    bits[2] = False
    return bits


MAKERS = [nested, equal, single, crossing]


class Toy:
    """Masks, two channels of attribution of all regions but the last of many, a body and extra masks across it."""

    def __init__(self, make, seed, channels=2):
        g = torch.Generator().manual_seed(seed)
        self.bits = make(g)
        self.classes = tuple(range(max(1, len(self.bits) - 1)))[::-1]
        self.e = torch.randn(len(self.classes), channels, *SHAPE, generator=g)
        self.body = torch.rand(SHAPE, generator=g) < 0.6
        self.extra = {"nodule": torch.rand(SHAPE, generator=g) < 0.2, "missing": None}
        self.channels = ("t1", "t2")[:channels]

    def regions(self, **changes):
        inputs = {"extra": self.extra, "body": self.body, "spacing": SPACING, "channels": self.channels}
        return case_regions(OverlappingMasks(self.bits), **(inputs | changes))

    def compute(self, attribution=None, **changes):
        return local_importance(attribution or DenseAttribution(self.e), self.classes, self.regions(**changes))

    def sources(self):
        """Masks of the sources that are known."""
        return torch.stack([~self.bits.any(dim=0), *self.bits, self.extra["nodule"]])

    def rows(self):
        """Rows of targets that were predicted."""
        return [k for k, c in enumerate(self.classes) if self.bits[c].any()]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make", MAKERS)
def test_equals_the_definitions_entry_by_entry(make, seed):
    toy = Toy(make, seed)
    result, expected = toy.compute(), importance_slowly(toy.e, toy.sources(), toy.body, VOLUME)
    n = len(toy.bits)
    assert result.sources == ("background", *(f"region_{c}" for c in range(1, n + 1)), "nodule", "missing")
    assert result.targets == tuple(f"region_{c + 1}" for c in toy.classes)
    rows = toy.rows()
    assert [s == "ok" for s in result.status] == [k in rows for k in range(len(toy.classes))]
    for kind in Kind:
        found = result.values[kind]
        np.testing.assert_allclose(found[rows, :-1], expected[kind][rows], rtol=2e-5, atol=1e-5, err_msg=kind)
        assert np.isnan(found[:, -1]).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [nested, crossing])
def test_a_voxel_counts_in_all_its_regions_and_once_in_the_whole(make, seed):
    toy = Toy(make, seed)
    toy.e = toy.e.abs()
    values = toy.compute().values
    shares = values[Kind.IMPORTANCE][toy.rows(), : 1 + len(toy.bits)]
    assert (shares.sum(axis=1) > 1.01).all()
    several = toy.bits.sum(dim=0).clamp(min=1).double()
    for row, k in zip(shares, toy.rows(), strict=True):
        expected = (toy.e[k].double() * several).sum() / toy.e[k].double().sum()
        np.testing.assert_allclose(row.sum(), expected, rtol=1e-5)


def test_equal_full_regions_hold_everything_and_background_nothing():
    toy = Toy(equal, 0)
    values = toy.compute().values
    for kind in SHARES:
        np.testing.assert_allclose(values[kind][:, 1:4], 1, rtol=1e-6)
        assert (values[kind][:, 0] == 0).all()
    np.testing.assert_allclose(values[Kind.ENRICHMENT_VOLUME][:, 1:4], 1, rtol=1e-6)
    assert (values[Kind.VOLUME_VOXELS][:, 1:4] == np.prod(SHAPE)).all()


@pytest.mark.parametrize("seed", range(3))
def test_nested_regions_have_nested_importances(seed):
    values = Toy(nested, seed).compute().values
    for kind in (*SHARES, Kind.MASS, Kind.VOLUME_VOXELS):
        whole, core, enhancing = values[kind][:, 1:4].T
        assert (whole >= core).all() and (core >= enhancing).all() and (enhancing > 0).all()
        if kind in SHARES:
            np.testing.assert_allclose(values[kind][:, 0] + whole, 1, rtol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_disjoint_regions_that_overlap_nowhere_are_the_exclusive_classes(seed):
    g = torch.Generator().manual_seed(seed)
    label_map = torch.randint(0, 4, SHAPE, generator=g).to(torch.int16)
    toy = Toy(nested, seed)
    toy.bits = torch.stack([label_map == c for c in (1, 2, 3)])
    attribution = DenseAttribution(toy.e)
    inputs = {"extra": toy.extra, "body": toy.body, "spacing": SPACING, "channels": toy.channels}
    exclusive = case_regions(label_map, 4, **inputs)
    classes = tuple(c + 1 for c in toy.classes)
    one, other = toy.compute(), local_importance(attribution, classes, exclusive)
    for kind in Kind:
        np.testing.assert_array_equal(one.values[kind], other.values[kind])
    expected = expected_by_distance(attribution, toy.classes, toy.regions())
    assert torch.equal(expected.nan_to_num(-1), expected_by_distance(attribution, classes, exclusive).nan_to_num(-1))


@pytest.mark.parametrize("seed", range(2))
def test_supervoxels_and_their_voxels_give_the_same_matrix(seed):
    toy = Toy(crossing, seed, channels=1)
    g = torch.Generator().manual_seed(seed)
    few = SupervoxelAttribution(torch.randint(0, 9, SHAPE, generator=g), torch.randn(len(toy.classes), 9, generator=g))
    dense = DenseAttribution(torch.stack([few.dense(k) for k in range(len(toy.classes))]))
    one, other = toy.compute(few).values, toy.compute(dense).values
    for kind in Kind:
        np.testing.assert_allclose(one[kind], other[kind], rtol=1e-5, atol=1e-5, err_msg=kind)


def test_without_a_body_its_enrichment_is_missing_and_not_that_of_the_volume():
    toy = Toy(nested, 0)
    values = toy.compute(body=None).values
    assert np.isnan(values[Kind.ENRICHMENT_BODY]).all()
    assert np.isfinite(values[Kind.ENRICHMENT_VOLUME][:, :-1]).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", MAKERS)
def test_expected_by_distance_equals_its_formula_voxel_by_voxel(make, seed):
    toy = Toy(make, seed)
    found = expected_by_distance(DenseAttribution(toy.e), toy.classes, toy.regions(), bin_mm=6.0)
    masks = [mask.numpy() for mask in toy.sources()]
    rows = toy.rows()
    classes = [toy.classes[k] for k in rows]
    expected = expected_slowly(toy.e[rows], toy.bits.numpy(), masks, toy.body, SPACING, 6.0, classes, own=1)
    np.testing.assert_allclose(found[rows, :-1], expected, rtol=1e-5, atol=1e-7)
    assert found[:, -1].isnan().all() and found[[k for k in range(len(found)) if k not in rows]].isnan().all()
    assert expected_by_distance(DenseAttribution(toy.e), toy.classes, toy.regions(body=None)).isnan().all()


@pytest.mark.parametrize("seed", range(3))
def test_regions_of_the_annotation_leave_the_targets_to_the_prediction(seed):
    toy = Toy(nested, seed)
    g = torch.Generator().manual_seed(100 + seed)
    annotated = nested(g)
    annotated[1] = False
    result = toy.compute(annotation=OverlappingMasks(annotated))
    assert set(result.status) == {"ok"}
    masks = torch.stack([~annotated.any(dim=0), *annotated])
    expected = importance_slowly(toy.e, masks, toy.body, VOLUME)
    for kind in Kind:
        np.testing.assert_allclose(result.values[kind][:, :4], expected[kind], rtol=2e-5, atol=1e-5, err_msg=kind)


def test_a_region_that_was_not_annotated_is_unknown_and_so_is_where_no_region_is():
    toy = Toy(nested, 0)
    annotation = OverlappingMasks(toy.bits)
    result = toy.compute(annotation=annotation, annotated=(True, False, True)).values
    before = toy.compute(annotation=annotation).values
    for kind in Kind:
        assert np.isnan(result[kind][:, [0, 2]]).all()
        np.testing.assert_array_equal(result[kind][:, [1, 3, 4]], before[kind][:, [1, 3, 4]])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", MAKERS)
def test_dice_and_iou_are_those_of_each_mask_alone(make, seed):
    g = torch.Generator().manual_seed(seed)
    a, b = make(g), make(g)
    dice, iou = dice_and_iou(OverlappingMasks(a), OverlappingMasks(b), [True] * len(a))
    for c in range(len(a)):
        one, other = (set(np.flatnonzero(bits[c])) for bits in (a, b))
        if not one | other:
            assert np.isnan(dice[c]) and np.isnan(iou[c])
            continue
        assert dice[c] == 2 * len(one & other) / (len(one) + len(other))
        assert iou[c] == len(one & other) / len(one | other)


def test_dice_of_overlapping_masks_is_missing_where_they_were_not_annotated_and_there_alone():
    bits = nested(torch.Generator().manual_seed(0))
    dice, iou = dice_and_iou(OverlappingMasks(bits), OverlappingMasks(bits), [False, True, True])
    np.testing.assert_array_equal(dice, [np.nan, 1, 1])
    np.testing.assert_array_equal(iou, [np.nan, 1, 1])


def test_dice_of_a_label_map_and_masks_goes_mask_by_mask():
    label_map = torch.randint(0, 3, SHAPE, generator=torch.Generator().manual_seed(0))
    bits = torch.stack([label_map == c for c in range(3)])
    exclusive = ExclusiveMasks(label_map, 3)
    for masks, annotation in ((exclusive, OverlappingMasks(bits)), (OverlappingMasks(bits), exclusive)):
        np.testing.assert_array_equal(dice_and_iou(masks, annotation, [True] * 3), np.ones((2, 3)))
