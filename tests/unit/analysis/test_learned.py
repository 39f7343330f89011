from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t, wilcoxon

from agg2exp.analysis.learned import learned_edges
from agg2exp.domain.roi_importance import Kind
from tests.unit.analysis.tables import CLASSES, importances, rows

EDGES = 5 * 4 - 4


def networks(seed, n, count, spread=0.03, noise=0.02):
    """E and E₀ of networks that each have edges of their own beyond distance, the same in all patients."""
    g = np.random.default_rng(seed)
    e0 = rows(seed, n) * 0.8
    for c in range(5):
        e0[:, c, c] = np.nan
    expected = importances(e0, CLASSES, Kind.EXPECTED_BY_DISTANCE)
    quirks = 0.03 + spread * g.normal(size=(count, 1, 5, 5))
    e = np.nan_to_num(e0) + quirks + noise * g.normal(size=(count, n, 5, 5))
    return [(importances(one, CLASSES), expected) for one in e]


def test_p_is_the_larger_of_the_test_over_patients_and_of_that_over_networks():
    model, *twins = networks(0, 12, 5)
    row = learned_edges(model, twins).set_index(["target", "source"]).loc[("heart", "aorta")]
    excess = np.stack([e.values[:, 2, 1] - e0.values[:, 2, 1] for e, e0 in (model, *twins)])
    in_patients = wilcoxon(excess[0] - excess[1:].mean(axis=0), alternative="greater").pvalue
    means = excess.mean(axis=1)
    distance = (means[0] - means[1:].mean()) / (means[1:].std(ddof=1) * np.sqrt(1 + 1 / 4))
    assert row["p_twins"] == pytest.approx(max(in_patients, t.sf(distance, 3)))
    assert row["excess_twins"] == pytest.approx(means[1:].mean())
    assert row["spread_twins"] == pytest.approx(means[1:].std(ddof=1))
    assert row["p_learned"] == max(row["p_adjusted"], row["p_twins_adjusted"])


@pytest.mark.parametrize("n", [5, 20, 60])
@pytest.mark.parametrize("count", [4, 6])
def test_one_more_random_network_has_learned_nothing(n, count):
    learned, beyond = [], []
    for seed in range(12):
        model, *twins = networks(seed, n, count)
        table = learned_edges(model, twins)
        learned.append((table["p_learned"] <= 0.05).sum() / EDGES)
        beyond.append((table["p_adjusted"] <= 0.05).sum() / EDGES)
    assert np.mean(learned) <= 0.05
    assert np.mean(beyond) > 0.2  # distance alone calls many of these edges


def test_a_method_that_does_not_ask_the_network_has_learned_nothing():
    model = networks(1, 30, 1)[0]
    table = learned_edges(model, [model] * 3)
    assert (table["p_adjusted"] <= 0.05).any() and (table["p_twins"].dropna() == 1).all()


def test_a_learned_edge_is_found_and_no_other():
    model, *twins = networks(2, 20, 6, spread=0.01)
    model[0].values[:, 2, 1] += 0.2
    table = learned_edges(model, twins).set_index(["target", "source"])
    assert list(table.index[table["p_learned"] <= 0.05]) == [("heart", "aorta")]


def test_an_edge_below_its_twins_is_not_learned():
    model, *twins = networks(3, 20, 6, spread=0.001)
    model[0].values[:, 2, 1] -= 0.015
    row = learned_edges(model, twins).set_index(["target", "source"]).loc[("heart", "aorta")]
    assert row["p_adjusted"] <= 0.05 and row["p_twins"] > 0.5


def test_scans_of_a_patient_count_once():
    model, *twins = networks(4, 12, 4)

    def thrice(pair):
        cases = tuple(f"s{i:04d}" for i in range(36))
        return tuple(replace(d, cases=cases, values=np.repeat(d.values, 3, axis=0)) for d in pair)

    patients = {f"s{i:04d}": f"p{i // 3:02d}" for i in range(36)}
    again = learned_edges(thrice(model), [thrice(twin) for twin in twins], patients)
    np.testing.assert_allclose(again["p_twins"], learned_edges(model, twins)["p_twins"])


def test_what_is_not_compared_says_why():
    model, *twins = networks(5, 8, 3)
    twins[1][0].values[:4, 2] = np.nan  # overflown in four patients
    table = learned_edges(model, twins).set_index(["target", "source"])
    assert table.loc[("heart", "aorta"), "excluded_twins"].startswith("4 patients with a value of the model and of all")
    assert np.isnan(table.loc[("heart", "aorta"), "p_learned"])
    assert table.loc[("heart", "heart"), "excluded_twins"] == "not tested beyond distance"
    assert table.loc[("aorta", "heart"), "excluded_twins"] == ""


def test_twins_that_do_not_fit_are_refused():
    model, *twins = networks(6, 8, 3)
    with pytest.raises(ValueError, match="two twins or more"):
        learned_edges(model, twins[:1])
    other = tuple(replace(d, cases=d.cases[:5], values=d.values[:5]) for d in twins[0])
    with pytest.raises(ValueError, match="the cases of the model"):
        learned_edges(model, [other, twins[1]])
