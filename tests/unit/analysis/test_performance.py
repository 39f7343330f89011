import numpy as np
import pytest
from scipy.stats import chi2, f

from agg2exp.analysis.dice import joined_dice
from agg2exp.analysis.performance import mean_dice, models_differ, poor_regions
from tests.unit.analysis.tables import CLASSES, segmentation

CASES = tuple(f"s{i:03d}" for i in range(20))


def models(seed, effect=0.0, n=3, spread=0.05):
    g = np.random.default_rng(seed)
    hard = g.normal(0.7, spread, size=(20, 5))
    return {f"m{i}": segmentation(hard + effect * i + g.normal(0, 0.02, size=(20, 5)), CASES) for i in range(n)}


def test_mean_dice_counts_what_is_missing():
    dice = np.random.default_rng(0).random((20, 5))
    dice[:3, 1] = np.nan
    table = mean_dice({"a": segmentation(dice, CASES)}).set_index("class")
    assert list(table.index) == list(CLASSES) and set(table["model"]) == {"a"}
    assert table.loc["aorta", ["count", "missing"]].tolist() == [17, 3]
    assert table.loc["aorta", "mean"] == pytest.approx(dice[3:, 1].mean())
    assert table.loc["aorta", "std"] == pytest.approx(dice[3:, 1].std(ddof=1))
    joined = joined_dice(segmentation(dice, CASES), {"lung": ["lung_lower", "lung_upper"]})
    assert mean_dice({"a": joined}).set_index("class").loc["lung", "mean"] == pytest.approx(dice[:, 3:].mean())


def test_a_model_without_dice_is_counted_and_the_others_go_on():
    known, unknown = models(0)["m0"], models(1)["m1"].assign(dice=np.nan)
    table = mean_dice({"a": known, "b": unknown}).set_index("model")
    assert table.loc["a"].equals(mean_dice({"a": known}).set_index("model"))
    assert (table.loc["b", "count"] == 0).all() and (table.loc["b", "missing"] == 20).all()
    assert table.loc["b", ["mean", "std"]].isna().all(axis=None) and table.loc["b", "class"].tolist() == list(CLASSES)
    joined = joined_dice(unknown, {"lung": ["lung_lower", "lung_upper"]})
    assert mean_dice({"a": known, "b": joined})["count"].tolist() == [20] * 5 + [0] * 4


def test_errors_name_the_model():
    known, unknown = models(0)["m0"], models(1)["m1"].assign(dice=np.nan)
    with pytest.raises(ValueError, match=r"a, b: expected Dice of some case and class, got none"):
        mean_dice({"a": unknown, "b": unknown})
    with pytest.raises(ValueError, match=r"b: segmentation: expected every \(case, class\) once"):
        mean_dice({"a": known, "b": known.iloc[[0, *range(len(known))]]})
    with pytest.raises(ValueError, match=r"b: segmentation: expected Dice of some case and class, got none"):
        models_differ({"a": known, "b": unknown})


def test_tests_equal_their_formulas():
    tables = models(1, effect=0.01)
    result = models_differ(tables).set_index("class").loc["heart"]
    x = np.stack([table.loc[table["class"] == "heart", "dice"] for table in tables.values()])  # (models, cases)
    within = ((x - x.mean(axis=1, keepdims=True)) ** 2).sum() / (3 * 19)
    between = 20 * x.mean(axis=1).var(ddof=1)
    assert result["anova_f"] == pytest.approx(between / within)
    assert result["anova_p"] == pytest.approx(f.sf(between / within, 2, 57))
    sums = (x.argsort(axis=0).argsort(axis=0) + 1).sum(axis=1)
    statistic = 12 / (20 * 3 * 4) * (sums**2).sum() - 3 * 20 * 4
    assert result["friedman_chi2"] == pytest.approx(statistic)
    assert result["friedman_p"] == pytest.approx(chi2.sf(statistic, 2))


def test_friedman_finds_what_anova_overlooks_when_cases_differ_in_difficulty():
    result = models_differ(models(2, effect=0.02, spread=0.15))
    assert (result["friedman_p_adjusted"] < 0.05).all()
    assert (result["anova_p_adjusted"] > 0.05).all()


def test_friedman_is_calibrated_without_effect():
    p = np.concatenate([models_differ(models(seed))["friedman_p"] for seed in range(20)])
    assert abs((p < 0.05).mean() - 0.05) < 3.5 * np.sqrt(0.05 * 0.95 / 100)


def test_only_cases_known_to_all_models_are_compared():
    tables = models(3)
    tables["m1"].loc[(tables["m1"]["class"] == "aorta") & (tables["m1"]["case"] < "s004"), "dice"] = np.nan
    tables["m2"] = tables["m2"][tables["m2"]["case"] != "s019"]
    result = models_differ(tables).set_index("class")
    assert result.loc["aorta", ["count", "left_out"]].tolist() == [15, 5]
    assert result.loc["heart", ["count", "left_out"]].tolist() == [19, 1]


def test_what_cannot_be_tested_says_why():
    two = models_differ(models(4, n=2))
    assert two["anova_p"].notna().all() and two["friedman_p"].isna().all()
    assert (two["excluded"] == "Friedman needs three models").all()
    table = models(4)["m0"]
    same = models_differ({"a": table, "b": table, "c": table})
    assert same["excluded"].str.contains("do not differ").all() and same["anova_p"].isna().all()
    few = models_differ({name: t[t["case"] < "s003"] for name, t in models(4).items()})
    assert few["excluded"].str.contains("3 cases").all()
    with pytest.raises(ValueError, match="two models"):
        models_differ({"a": table})
    lacking = models_differ({"a": table, "b": models(5)["m0"].query("`class` != 'heart'")}).set_index("class")
    assert lacking.loc["heart", ["count", "excluded"]].tolist() == [0, "no class of b"]
    assert lacking["anova_p"].isna().sum() == 1


def test_poor_regions_are_listed_worst_first():
    dice = np.full((20, 5), 0.9)
    dice[3, 1], dice[5, 2], dice[6, 2], dice[7, 2] = 0.4, 0.1, 0.5, np.nan
    poor = poor_regions(segmentation(dice, CASES))
    assert poor.to_numpy().tolist() == [["s005", "heart", 0.1], ["s003", "aorta", 0.4]]
