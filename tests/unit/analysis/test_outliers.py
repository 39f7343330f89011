from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from agg2exp.analysis.outliers import MEAN, normality, outlier_table
from tests.unit.analysis.tables import CLASSES, importances, rows

N = 40


def of_classes(table):
    return table[table["target"] != MEAN]


def test_is_the_forest_of_the_class_on_its_own_row():
    scored, reference = importances(rows(0, n=6)), importances(rows(1, n=N), prefix="t")
    result = normality(scored, reference, seed=7)
    for k in range(5):
        forest = IsolationForest(n_estimators=100, random_state=7).fit(reference.values[:, k])
        np.testing.assert_allclose(result[:, k], forest.decision_function(scored.values[:, k]))


def test_classes_and_targets_meet_by_name_and_extra_masks_are_no_features():
    scored, reference = importances(rows(0, n=6)), importances(rows(1, n=N), prefix="t")
    order = [3, 0, 4, 1, 2]
    names = tuple(CLASSES[i] for i in order)
    values = np.concatenate([reference.values[:, order][:, :, order], np.full((N, 5, 1), np.nan)], axis=2)
    turned = replace(reference, targets=names, sources=(*names, "nodule"), classes=names, values=values)
    np.testing.assert_array_equal(normality(scored, turned, 3), normality(scored, reference, 3))
    assert not np.isnan(normality(turned, reference, 3)).any()


def test_a_planted_outlier_is_found():
    x = rows(2, n=N, concentration=30.0)
    x[11, 2] = [0.9, 0.025, 0.025, 0.025, 0.025]
    data = importances(x)
    table = outlier_table(data, data)
    first = table[(table["target"] == "heart") & (table["rank"] == 1)].iloc[0]
    assert first["case"] == "s0011" and first["outlier"] and first["anomaly"] == -first["normality"] > 0
    others = table[(table["case"] == "s0011") & ~table["target"].isin(["heart", MEAN])]
    assert (others["rank"] > 1).all()


def test_mean_is_over_the_classes_that_a_case_has():
    x = rows(3, n=N)
    x[0, 1:3] = np.nan
    x[1] = np.nan
    data = importances(x)
    table = outlier_table(data, data)
    assert len(table) == N * 6
    mean = table[table["target"] == MEAN].set_index("case")
    np.testing.assert_allclose(mean["normality"], of_classes(table).groupby("case")["normality"].mean())
    assert mean["classes"].tolist()[:3] == [3, 0, 5]
    assert mean.loc["s0001", "excluded"] == "no class of the case has a value"
    absent = table[(table["case"] == "s0000") & table["target"].isin(["aorta", "heart"])]
    assert absent["excluded"].str.contains("absent").all() and absent["outlier"].isna().all()
    assert (table["excluded"] == "").sum() == N * 6 - 2 - 6
    assert (table["normality"].isna() == (table["excluded"] != "")).all()


def test_rows_with_nan_train_no_forest():
    x = rows(4, n=N)
    x[30:, 2] = np.nan
    expected = normality(importances(x[:30]), importances(x[:30]), 1)
    np.testing.assert_allclose(normality(importances(x), importances(x), 1)[:30, 2], expected[:, 2])


def test_a_class_that_few_references_have_or_that_never_varies_is_excluded():
    x = rows(5, n=N)
    x[4:, 1] = np.nan
    x[:, 2] = x[0, 2]
    reference = importances(x)
    table = outlier_table(importances(rows(6, n=5), prefix="t"), replace(reference, targets=(*CLASSES[:4], "spleen")))
    reasons = table.groupby("target")["excluded"].unique().str.join("; ")
    assert reasons["aorta"] == "4 reference cases have this class, at least 10 needed"
    assert reasons["heart"] == "the importances are the same in all reference cases"
    assert reasons["lung_upper"] == "0 reference cases have this class, at least 10 needed"
    assert reasons["background"] == reasons["lung_lower"] == reasons[MEAN] == ""
    assert table[table["target"] == MEAN]["classes"].eq(2).all()


def test_one_reference_case_and_other_label_schemes_are_refused():
    data = importances(rows(7, n=N))
    with pytest.raises(ValueError, match=r"at least 10 cases.*got 1"):
        outlier_table(data, importances(rows(7, n=1)))
    with pytest.raises(ValueError, match="lung_upper"):
        outlier_table(data, importances(rows(7, n=N, classes=CLASSES[:4]), CLASSES[:4]))
