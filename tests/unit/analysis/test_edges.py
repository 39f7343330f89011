from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.stats import rankdata

from agg2exp.aggregation.expected_by_distance import expected_by_distance
from agg2exp.analysis.edges import edges_beyond_distance
from agg2exp.domain.attribution import DenseAttribution
from agg2exp.domain.roi_importance import Kind
from tests.helpers.case_regions import case_regions
from tests.unit.analysis.tables import CLASSES, importances, rows

ORGANS = ("background", "left", "right", "front")
SHAPE, MM = (11, 11, 11), 4.0
CENTRES = np.array([[3.5, 4, 5], [7, 4, 5], [5, 7.5, 5.5]])


def both(importance, expected, classes=CLASSES):
    for c in range(len(classes)):
        expected[:, c, c] = np.nan
    return importances(importance, classes), importances(expected, classes, Kind.EXPECTED_BY_DISTANCE)


def no_effect(seed, n=20):
    """E − E₀ symmetric about 0."""
    e0 = rows(seed, n) * 0.8
    return both(e0 + np.random.default_rng(seed).uniform(-0.02, 0.02, e0.shape), e0)


def patient(g, *, correlated, planted=0.0):
    """E and E₀ of one phantom whose attribution is noise times a decay with the distance to the class.

    With `planted`, class 1 also receives so much of its attribution from class 3.
    """
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    half = (np.array(SHAPE) - 1) / 2
    body = (((grid - half) / half) ** 2).sum(axis=-1) < 1.15
    labels = np.zeros(SHAPE, dtype=np.int16)
    for c, centre in enumerate(CENTRES, start=1):
        labels[np.linalg.norm(grid - centre - g.normal(0, 0.5, 3), axis=-1) < g.uniform(1.3, 2.0)] = c
    decay, e = g.uniform(6, 14), np.zeros((4, *SHAPE))
    for a in range(4):
        distance = distance_transform_edt(labels != a) * MM
        noise = g.standard_exponential(SHAPE)
        if correlated:
            noise = np.exp(6 * gaussian_filter(g.normal(size=SHAPE), 1.0))
        e[a] = body * np.exp(-distance / decay) * noise
    e[1] += planted * e[1].sum() * (labels == 3) / (labels == 3).sum()
    predicted, attribution = torch.from_numpy(labels), DenseAttribution(torch.from_numpy(e[:, None]).float())
    of = case_regions(predicted, 4, body=torch.from_numpy(body), spacing=(MM, MM, MM))
    e0 = expected_by_distance(attribution, (0, 1, 2, 3), of)
    regions = (labels == np.arange(4)[:, None, None, None]).reshape(4, -1)
    mass = e.reshape(4, -1) @ regions.T
    return mass / mass.sum(axis=1, keepdims=True), e0.numpy()


def cohort(seed, n, **settings):
    g = np.random.default_rng(seed)
    e, e0 = (np.stack(x) for x in zip(*(patient(g, **settings) for _ in range(n)), strict=True))
    return both(e, e0, ORGANS)


def part(data, cases):
    return tuple(replace(d, cases=tuple(d.cases[i] for i in cases), values=d.values[cases]) for d in data)


def test_p_is_the_share_of_sign_flips_with_a_larger_rank_sum():
    e, e0 = no_effect(0, n=9)
    row = edges_beyond_distance(e, e0).set_index(["target", "source"]).loc[("heart", "aorta")]
    d = e.values[:, 2, 1] - e0.values[:, 2, 1]
    ranks, signs = rankdata(np.abs(d)), (np.arange(2**9)[:, None] >> np.arange(9)) & 1
    positive = ranks[d > 0].sum()
    assert row["p"] == pytest.approx((signs @ ranks >= positive).mean())
    assert row["effect"] == pytest.approx((positive - ranks[d < 0].sum()) / ranks.sum())
    assert row["excess"] == pytest.approx(d.mean()) and row["count"] == 9
    assert row["importance"] - row["expected"] == pytest.approx(row["excess"])


def test_edges_of_a_class_to_itself_and_from_background_are_left_out():
    table = edges_beyond_distance(*no_effect(1))
    left_out = (table["target"] == table["source"]) | (table["source"] == "background")
    assert (table["excluded"] != "").equals(left_out) and table["p"].isna().equals(left_out)
    assert table["p_adjusted"].notna().sum() == 5 * 4 - 4


def test_patients_in_whom_the_source_is_absent_say_nothing():
    e, e0 = no_effect(2)
    e.values[:6, :, 3] = e0.values[:6, :, 3] = 0.0
    e0.values[:, 3, 3] = np.nan
    e.values[6:8, 1] = np.nan
    table = edges_beyond_distance(e, e0).set_index(["target", "source"])
    rest = edges_beyond_distance(*part((e, e0), range(8, 20))).set_index(["target", "source"])
    row = table.loc[("aorta", "lung_lower")]
    assert (row["count"], row["equal"]) == (12, 6)
    assert row["p"] == rest.loc[("aorta", "lung_lower"), "p"]
    assert row["importance"] == pytest.approx(e.values[[*range(6), *range(8, 20)], 1, 3].mean())


def test_scans_of_a_patient_count_once():
    e, e0 = no_effect(3, n=12)
    thrice = [
        replace(d, cases=tuple(f"s{i}" for i in range(36)), values=np.repeat(d.values, 3, axis=0)) for d in (e, e0)
    ]
    patients = {f"s{i}": f"p{i // 3:02d}" for i in range(36)}
    once, again = edges_beyond_distance(e, e0), edges_beyond_distance(*thrice, patients)
    np.testing.assert_allclose(again["p"], once["p"])
    assert again["count"].equals(once["count"])


def test_level_holds_without_effect():
    shares = [(edges_beyond_distance(*no_effect(seed))["p"].dropna() < 0.05).mean() for seed in range(60)]
    error = np.sqrt(0.05 * 0.95 / (60 * 16))
    assert abs(np.mean(shares) - 0.05) < 3.5 * error


@pytest.mark.parametrize("correlated", [False, True])
def test_attribution_that_depends_on_distance_alone_draws_no_more_edges_than_the_level(correlated):
    data = cohort(4, n=400, correlated=correlated)
    groups = np.arange(400).reshape(20, 20)
    p = np.concatenate([edges_beyond_distance(*part(data, g))["p"].dropna() for g in groups])
    assert len(p) == 20 * 9
    # Skewed sums make the test cautious, never bold.
    assert (p < 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(p))


def test_a_planted_edge_is_found_and_no_other():
    table = edges_beyond_distance(*cohort(5, n=30, correlated=True, planted=0.15)).set_index(["target", "source"])
    found = table.index[table["p_adjusted"] < 0.05]
    assert list(found) == [("left", "front")]
    assert table.loc[found[0], "excess"] > 0.1 and table.loc[found[0], "effect"] > 0.9


def test_few_patients_are_stated():
    table = edges_beyond_distance(*part(no_effect(6), range(1)))
    assert table["p"].isna().all()
    assert table.loc[6, "excluded"] != "" and table.loc[7, "excluded"] == "1 patients with E ≠ E₀, at least 5 needed"
    assert np.isfinite(table.loc[7, "importance"])


def test_tables_that_do_not_fit_are_refused():
    e, e0 = no_effect(7)
    with pytest.raises(ValueError, match="expected kinds"):
        edges_beyond_distance(e, e)
    with pytest.raises(ValueError, match="same cases"):
        edges_beyond_distance(e, part((e0,), range(5))[0])
    with pytest.raises(ValueError, match="switched on"):
        edges_beyond_distance(e, replace(e0, values=np.full_like(e0.values, np.nan)))
