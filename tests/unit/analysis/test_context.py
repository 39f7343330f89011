import numpy as np
import pytest
from matplotlib.cbook import boxplot_stats

from agg2exp.analysis.context import box_outliers, box_summary, context
from tests.unit.analysis.tables import CLASSES, importances, rows


def test_context_is_what_lies_outside_the_class():
    x, y = rows(0, n=4), rows(1, n=3)
    x[2, 1] = np.nan
    table = context({"first": importances(x), "second": importances(y, prefix="t")})
    assert len(table) == (4 + 3) * 5
    heart = table[(table["data_set"] == "first") & (table["target"] == "heart")]
    assert list(heart["case"]) == ["s0000", "s0001", "s0002", "s0003"]
    np.testing.assert_allclose(heart["self_importance"], x[:, 2, 2])
    np.testing.assert_allclose(heart["context"], x[:, 2, [0, 1, 3, 4]].sum(axis=1))
    assert table[(table["target"] == "aorta") & (table["case"] == "s0002")]["context"].isna().all()


def test_a_target_that_is_no_source_is_refused():
    data = importances(rows(0, n=3)[:, :, :4], CLASSES)
    object.__setattr__(data, "sources", CLASSES[:4])
    with pytest.raises(ValueError, match="lung_upper"):
        context({"a": data})


@pytest.mark.parametrize("seed", range(4))
def test_boxes_are_those_of_matplotlib(seed):
    g = np.random.default_rng(seed)
    x = g.lognormal(0, 1, size=(25, 5, 5))
    x[g.random((25, 5)) < 0.2] = np.nan
    data = importances(x)
    table, dots = box_summary(data), box_outliers(data)
    for i, (k, r) in enumerate(np.ndindex(5, 5)):
        values = x[~np.isnan(x[:, k, r]), k, r]
        box = boxplot_stats(values)[0]
        row = table.iloc[i]
        assert (row["target"], row["source"], row["count"]) == (CLASSES[k], CLASSES[r], len(values))
        expected = [box[name] for name in ("mean", "whislo", "q1", "med", "q3", "whishi")]
        names = ["mean", "whisker_low", "q1", "median", "q3", "whisker_high"]
        np.testing.assert_allclose(row[names].to_numpy(float), expected)
        assert row["missing"] == 25 - len(values) and row["outliers"] == len(box["fliers"])
        mine = dots[(dots["target"] == CLASSES[k]) & (dots["source"] == CLASSES[r])]
        np.testing.assert_allclose(sorted(mine["value"]), sorted(box["fliers"]))
        np.testing.assert_allclose(mine["value"], [x[data.cases.index(case), k, r] for case in mine["case"]])


def test_a_class_without_any_value_and_a_single_case():
    x = rows(0, n=1)
    x[:, 2] = np.nan
    table = box_summary(importances(x)).set_index(["target", "source"])
    assert table.loc["heart"].drop(columns=["count", "missing", "outliers"]).isna().all().all()
    assert table.loc["heart", "count"].eq(0).all() and table.loc["heart", "missing"].eq(1).all()
    one = table.loc[("aorta", "heart")]
    assert one["whisker_low"] == one["median"] == one["whisker_high"] == x[0, 1, 2]
