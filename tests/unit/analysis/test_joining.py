import numpy as np
import pytest

from agg2exp.analysis.joining import group_names, joined
from agg2exp.domain.roi_importance import Kind
from tests.unit.analysis.tables import CLASSES, importances, rows

LUNG = {"lung": ("lung_lower", "lung_upper")}


def test_sources_add_up_and_targets_are_averaged():
    x = rows(0, n=6)
    x[0, 3] = np.nan  # one lobe is absent
    x[1, 3:] = np.nan  # both are
    result = joined(importances(x), LUNG)
    assert result.targets == result.sources == result.classes == ("background", "aorta", "heart", "lung")
    np.testing.assert_allclose(result.values[:, 1, 2], x[:, 1, 2])
    np.testing.assert_allclose(result.values[:, 1, 3], x[:, 1, 3] + x[:, 1, 4])
    np.testing.assert_allclose(result.values[2:, 3, 0], (x[2:, 3, 0] + x[2:, 4, 0]) / 2)
    np.testing.assert_allclose(result.values[2:, 3, 3], x[2:, 3:, 3:].sum(axis=(1, 2)) / 2)
    np.testing.assert_allclose(result.values[0, 3, :3], x[0, 4, :3])
    assert np.isnan(result.values[1, 3]).all()
    np.testing.assert_allclose(result.values[2:].sum(axis=2), 1)


def test_a_joined_source_equals_eq_7_of_the_union_of_regions():
    g = np.random.default_rng(1)
    attribution, labels = g.normal(size=(5, 400)), g.integers(5, size=400)
    mass = np.abs(attribution) @ (labels[:, None] == np.arange(5))
    result = joined(importances((mass / mass.sum(axis=1, keepdims=True))[None]), LUNG)
    heart = np.abs(attribution[2])
    assert result.values[0, 2, 3] == pytest.approx(heart[labels >= 3].sum() / heart.sum())


def test_expectation_by_distance_stays_unknown_within_a_group():
    x = rows(2, n=4)
    x[:, range(5), range(5)] = np.nan
    result = joined(importances(x, kind=Kind.EXPECTED_BY_DISTANCE), LUNG)
    assert np.isnan(result.values[:, 3, 3]).all()
    np.testing.assert_allclose(result.values[:, 0, 3], x[:, 0, 3:].sum(axis=1))


def test_extra_masks_and_a_single_class_keep_their_values():
    x = np.concatenate([rows(3, n=4), np.full((4, 5, 1), 0.3)], axis=2)
    result = joined(importances(x, extra=("nodule",)), {"great vessel": ["aorta"]})
    assert result.sources == ("background", "great vessel", "heart", "lung_lower", "lung_upper", "nodule")
    assert result.classes == result.targets == result.sources[:-1]
    np.testing.assert_array_equal(result.values, x)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({"lung": ["lung_lower", "lobe"]}, "lobe.*no classes"),
        ({"lung": ["lung_lower"], "both": ["lung_lower", "heart"]}, "lung_lower.*twice"),
        ({"lung": []}, "lung.*no members"),
        ({"heart": ["lung_lower", "lung_upper"]}, "heart.*names of other regions"),
        ({"nodule": ["lung_lower", "lung_upper"]}, "nodule.*names of other regions"),
        ({"lung": ["lung_lower", "nodule"]}, "nodule.*no classes"),
    ],
)
def test_wrong_groups_are_named(groups, words):
    x = np.concatenate([rows(0, n=3), np.zeros((3, 5, 1))], axis=2)
    with pytest.raises(ValueError, match=words):
        joined(importances(x, extra=("nodule",)), groups)


def test_a_group_may_keep_the_name_of_a_member():
    assert group_names(CLASSES, {"heart": ["heart", "aorta"]})[1:3] == ["heart", "heart"]


@pytest.mark.parametrize("kind", [Kind.MEAN, Kind.ENRICHMENT_VOLUME, Kind.ENRICHMENT_BODY])
def test_kinds_that_do_not_add_up_are_refused(kind):
    with pytest.raises(ValueError, match=f"{kind.value}.*add up"):
        joined(importances(rows(0, n=3), kind=kind), LUNG)
