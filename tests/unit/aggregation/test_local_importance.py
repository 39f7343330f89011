import numpy as np
import pytest
import torch

from agg2exp.aggregation.local_importance import local_importance
from agg2exp.domain.attribution import DenseAttribution, SupervoxelAttribution
from agg2exp.domain.errors import CaseError
from agg2exp.domain.roi_importance import Kind, LocalImportance
from tests.helpers.case_regions import case_regions
from tests.unit.aggregation.slowly import importance_slowly

SHAPE = (5, 6, 7)
L = 4
SPACING = (2.0, 2.5, 0.5)
VOLUME = 2.5
SUMS = (Kind.IMPORTANCE, Kind.MASS, Kind.SIGNED_SUM, Kind.VOLUME_VOXELS, Kind.VOLUME_MM3)


class Toy:
    """A random case: K = 3 explained classes in another order than the labels, 2 channels."""

    def __init__(self, seed):
        g = torch.Generator().manual_seed(seed)
        self.classes = (2, 0, 3)
        self.e = torch.randn(3, 2, *SHAPE, generator=g)
        self.prediction = torch.randint(0, L, SHAPE, generator=g).to(torch.int16)
        self.regions = torch.randint(0, L, SHAPE, generator=g).to(torch.int16)
        self.body = torch.rand(SHAPE, generator=g) < 0.7
        self.extra = {
            "across": torch.rand(SHAPE, generator=g) < 0.2,
            "within": (torch.rand(SHAPE, generator=g) < 0.2) & self.body,
        }

    def compute(self, attribution=None, expected=None, **changes) -> LocalImportance:
        inputs = {
            "predicted": self.prediction,
            "annotation": self.regions,
            "extra": self.extra,
            "body": self.body,
            "spacing": SPACING,
            "channels": ("t1", "t2"),
        }
        regions = case_regions(**(inputs | changes), n_classes=L)
        return local_importance(attribution or DenseAttribution(self.e), self.classes, regions, expected)


def masks_of(labels, extra=()):
    return torch.stack([*(labels == c for c in range(L)), *extra])


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_definitions_entry_by_entry(seed):
    toy = Toy(seed)
    result = toy.compute()
    expected = importance_slowly(toy.e, masks_of(toy.regions, toy.extra.values()), toy.body, VOLUME)
    assert result.targets == ("organ_2", "background", "organ_3")
    assert result.sources == ("background", "organ_1", "organ_2", "organ_3", "across", "within")
    assert result.status == ("ok",) * 3
    for kind in Kind:
        assert result.values[kind].dtype == np.float64
        np.testing.assert_allclose(result.values[kind], expected[kind], rtol=2e-5, atol=1e-5, err_msg=kind)


@pytest.mark.parametrize("seed", range(3))
def test_rows_over_a_partition_sum_to_one(seed):
    values = Toy(seed).compute().values
    for kind in (Kind.IMPORTANCE, Kind.POSITIVE, Kind.NEGATIVE):
        np.testing.assert_allclose(values[kind][:, :L].sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_relabelling_regions_permutes_the_columns(seed):
    toy = Toy(seed)
    order = torch.randperm(L, generator=torch.Generator().manual_seed(seed))
    before = toy.compute().values
    after = toy.compute(annotation=order[toy.regions.long()].to(torch.int16)).values
    for kind in Kind:
        np.testing.assert_allclose(after[kind][:, order.numpy()], before[kind][:, :L], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(after[kind][:, L:], before[kind][:, L:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_merged_classes_add_up(seed):
    toy = Toy(seed)
    before = toy.compute().values
    after = toy.compute(annotation=torch.where(toy.regions == 3, 1, toy.regions)).values
    for kind in SUMS:
        np.testing.assert_allclose(after[kind][:, 1], before[kind][:, 1] + before[kind][:, 3], rtol=1e-5, atol=1e-5)
        assert (after[kind][:, 3] == 0).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("expansion", ["density", "value"])
def test_supervoxels_and_their_voxels_give_the_same_matrix(seed, expansion):
    toy = Toy(seed)
    g = torch.Generator().manual_seed(seed)
    partition = torch.randint(0, 9, SHAPE, generator=g)
    few = SupervoxelAttribution(partition, torch.randn(3, 9, generator=g), expansion)
    dense = DenseAttribution(torch.stack([few.dense(k) for k in range(3)]))
    one, other = toy.compute(attribution=few).values, toy.compute(attribution=dense).values
    for kind in Kind:
        np.testing.assert_allclose(one[kind], other[kind], rtol=1e-5, atol=1e-5, err_msg=kind)


def test_uniform_attribution_is_enriched_nowhere():
    toy = Toy(0)
    values = toy.compute(attribution=DenseAttribution(torch.ones(3, 1, *SHAPE))).values
    np.testing.assert_allclose(values[Kind.ENRICHMENT_VOLUME], 1, rtol=1e-6)
    np.testing.assert_allclose(values[Kind.ENRICHMENT_BODY], 1, rtol=1e-6)


def test_air_outside_the_body_does_not_touch_the_body_enrichment():
    toy = Toy(1)
    louder = torch.where(toy.body, toy.e, 100 * toy.e)
    before, after = toy.compute().values, toy.compute(attribution=DenseAttribution(louder)).values
    np.testing.assert_allclose(after[Kind.ENRICHMENT_BODY], before[Kind.ENRICHMENT_BODY], rtol=1e-5)
    assert not np.allclose(after[Kind.ENRICHMENT_VOLUME], before[Kind.ENRICHMENT_VOLUME], rtol=0.05)


def test_target_absent_from_the_prediction_has_a_nan_row():
    toy = Toy(0)
    result = toy.compute(predicted=torch.where(toy.prediction == 3, 1, toy.prediction))
    assert result.status == ("ok", "ok", "absent from the prediction")
    only_volumes_in(result, row=2)
    assert not np.isnan(result.values[Kind.IMPORTANCE][:2]).any()


def only_volumes_in(result, row):
    """The volume of a source has nothing to do with the target."""
    for kind, matrix in result.values.items():
        if kind in (Kind.VOLUME_VOXELS, Kind.VOLUME_MM3):
            assert (matrix == matrix[0]).all()
        else:
            assert np.isnan(matrix[row]).all()


def test_zero_attribution_has_a_nan_row():
    toy = Toy(0)
    toy.e[1] = 0
    result = toy.compute()
    assert result.status == ("ok", "attribution is zero everywhere", "ok")
    only_volumes_in(result, row=1)
    assert result.status == toy.compute(expected=torch.ones(3, 6)).status


def test_one_sided_attribution_has_no_other_side():
    toy = Toy(0)
    toy.e[0] = toy.e[0].abs()
    values = toy.compute().values
    assert np.isnan(values[Kind.NEGATIVE][0]).all()
    np.testing.assert_allclose(values[Kind.POSITIVE][0], values[Kind.IMPORTANCE][0], rtol=1e-6)


def test_absent_source_has_no_mass_and_no_mean():
    toy = Toy(0)
    values = toy.compute(annotation=torch.where(toy.regions == 2, 1, toy.regions)).values
    for kind in (*SUMS, Kind.POSITIVE, Kind.NEGATIVE):
        assert (values[kind][:, 2] == 0).all()
    for kind in (Kind.MEAN, Kind.ENRICHMENT_VOLUME, Kind.ENRICHMENT_BODY):
        assert np.isnan(values[kind][:, 2]).all()


def test_source_outside_the_body_has_no_body_enrichment():
    toy = Toy(0)
    values = toy.compute(body=toy.body & (toy.regions != 2)).values
    assert np.isnan(values[Kind.ENRICHMENT_BODY][:, 2]).all()
    assert not np.isnan(values[Kind.ENRICHMENT_VOLUME][:, 2]).any()


def test_empty_mask_is_zero_and_missing_mask_is_nan():
    toy = Toy(0)
    result = toy.compute(extra={"missing": None, "empty": torch.zeros(SHAPE, dtype=torch.bool), **toy.extra})
    missing, empty = (result.sources.index(name) for name in ("missing", "empty"))
    assert all(np.isnan(matrix[:, missing]).all() for matrix in result.values.values())
    absent = toy.compute(extra={"missing": None}, predicted=torch.ones_like(toy.prediction))
    assert np.isnan(absent.values[Kind.VOLUME_VOXELS][:, -1]).all()
    assert (absent.values[Kind.VOLUME_VOXELS][:, 0] > 0).all()
    assert (result.values[Kind.IMPORTANCE][:, empty] == 0).all()
    assert (result.values[Kind.MASS][:, empty] == 0).all()
    assert np.isnan(result.values[Kind.MEAN][:, empty]).all()
    assert np.isnan(result.values[Kind.ENRICHMENT_VOLUME][:, empty]).all()
    assert np.isnan(result.values[Kind.ENRICHMENT_BODY][:, empty]).all()
    before = toy.compute().values[Kind.MASS]
    np.testing.assert_allclose(result.values[Kind.MASS][:, -2:], before[:, -2:], rtol=1e-6)


def test_classes_that_were_not_annotated_are_nan_as_sources_and_background_with_them():
    toy = Toy(0)
    values, before = toy.compute(annotated=(True, True, False, True)).values, toy.compute().values
    for kind in Kind:
        assert np.isnan(values[kind][:, [0, 2]]).all()
        np.testing.assert_array_equal(values[kind][:, [1, 3, 4, 5]], before[kind][:, [1, 3, 4, 5]])


def test_without_a_body_only_its_enrichment_is_missing():
    toy = Toy(0)
    without, before = toy.compute(body=None).values, toy.compute().values
    assert np.isnan(without[Kind.ENRICHMENT_BODY]).all()
    for kind in set(Kind) - {Kind.ENRICHMENT_BODY}:
        np.testing.assert_allclose(without[kind], before[kind], rtol=1e-5, atol=1e-5)


def test_expected_by_distance_is_kept_under_the_same_nan_rules():
    toy = Toy(0)
    expected = torch.rand(3, 6, dtype=torch.float64)
    absent = torch.where(toy.prediction == 2, 1, toy.prediction)
    stored = toy.compute(expected=expected, annotated=(True, False, True, True), predicted=absent).values[
        Kind.EXPECTED_BY_DISTANCE
    ]
    assert np.isnan(stored[0]).all() and np.isnan(stored[:, :2]).all()
    np.testing.assert_array_equal(stored[1:, 2:], expected[1:, 2:])
    assert np.isnan(toy.compute().values[Kind.EXPECTED_BY_DISTANCE]).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_attribution_that_is_not_finite_is_an_error(value):
    toy = Toy(0)
    toy.e[1, 0, 2, 3, 4] = value
    with pytest.raises(CaseError, match=r"toy.*finite"):
        toy.compute()


@pytest.mark.parametrize("label", [-1, L])
@pytest.mark.parametrize("which", ["predicted", "annotation"])
def test_label_out_of_range_is_an_error(label, which):
    toy = Toy(0)
    labels = toy.regions.clone()
    labels[0, 0, 0] = label
    with pytest.raises(CaseError, match=f"toy.*{label}"):
        toy.compute(**{which: labels})


def test_masks_must_fit():
    toy = Toy(0)
    with pytest.raises(CaseError, match="shape"):
        toy.compute(body=toy.body[1:])
    with pytest.raises(CaseError, match="organ_1"):
        toy.compute(extra={"organ_1": toy.body})


def test_half_precision_sums_like_single():
    g = torch.Generator().manual_seed(0)
    e = torch.rand(1, 1, 40, 40, 40, generator=g).bfloat16()
    labels = torch.zeros(40, 40, 40, dtype=torch.int16)
    mass = local_importance(DenseAttribution(e), (0,), case_regions(labels, L)).values[Kind.MASS]
    np.testing.assert_allclose(mass[0, 0], e.double().sum(), rtol=1e-5)


def test_table_has_one_row_per_entry_in_order():
    frame = Toy(0).compute().to_frame()
    assert list(frame["target"].unique()) == ["organ_2", "background", "organ_3"]
    assert len(frame) == 3 * 6
    assert (frame["case"] == "toy").all()
