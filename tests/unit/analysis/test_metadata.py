from itertools import product
from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, hypergeom, mannwhitneyu, t

from agg2exp.analysis.metadata import metadata_tests


def cohort(seed, n=60, share=0.3):
    g = np.random.default_rng(seed)
    cases = [f"s{i:03d}" for i in range(n)]
    outlier = pd.Series(g.random(n) < share, index=cases)
    metadata = pd.DataFrame(
        {"age": g.normal(60, 10, n), "sex": g.choice(["F", "M"], n), "site": g.choice(list("abc"), n)}, index=cases
    )
    return outlier, metadata.sample(frac=1, random_state=seed)


@pytest.mark.parametrize("seed", range(3))
def test_numbers_meet_mann_whitney_and_welch(seed):
    outlier, metadata = cohort(seed)
    table = metadata_tests(outlier, metadata).set_index(["column", "test"])
    age = metadata["age"].reindex(outlier.index)
    x, y = age[outlier].to_numpy(), age[~outlier].to_numpy()
    rank = table.loc[("age", "Mann–Whitney")]
    assert rank["statistic"] == (x[:, None] > y).sum()
    assert rank["p"] == pytest.approx(mannwhitneyu(x, y).pvalue)
    v, w = x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)
    statistic = (x.mean() - y.mean()) / np.sqrt(v + w)
    freedom = (v + w) ** 2 / (v**2 / (len(x) - 1) + w**2 / (len(y) - 1))
    welch = table.loc[("age", "Welch's t")]
    assert welch["statistic"] == pytest.approx(statistic)
    assert welch["p"] == pytest.approx(2 * t.sf(abs(statistic), freedom))


@pytest.mark.parametrize("seed", range(3))
def test_words_meet_chi_square(seed):
    outlier, metadata = cohort(seed, n=200)
    table = metadata_tests(outlier, metadata).set_index("column")
    for column, freedom in (("sex", 1), ("site", 2)):
        observed = pd.crosstab(metadata[column].reindex(outlier.index), outlier).to_numpy()
        expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / 200
        statistic = ((observed - expected) ** 2 / expected).sum()
        assert table.loc[column, "test"] == "chi-square"
        assert table.loc[column, "statistic"] == pytest.approx(statistic)
        assert table.loc[column, "p"] == pytest.approx(chi2.sf(statistic, freedom))


def test_small_counts_meet_fisher():
    outlier = pd.Series([True] * 6 + [False] * 14, index=[f"s{i}" for i in range(20)])
    metadata = pd.DataFrame({"sex": ["F"] * 5 + ["M"] + ["F"] * 3 + ["M"] * 11}, index=outlier.index)
    row = metadata_tests(outlier, metadata).iloc[0]
    law = hypergeom(20, 8, 6).pmf(np.arange(7))  # F among the outliers
    assert row["test"] == "Fisher"
    assert row["p"] == pytest.approx(law[law <= law[5] * (1 + 1e-9)].sum())
    assert row["summary_outliers"] == "F: 5, M: 1" and row["summary_inliers"] == "M: 11, F: 3"


@pytest.mark.parametrize(
    "table",
    [
        [[5, 1], [2, 4], [1, 7]],
        [[3, 0], [1, 0], [0, 1]],  # 5 known values in 6 cells
        *([[1, 0]] * inliers + [[0, 1]] * (16 - inliers) for inliers in (8, 14)),  # 16 different words in 16 cases
    ],
)
def test_small_counts_of_many_words_are_near_the_exact_sum_over_tables(table):
    words = [w for w, row in enumerate(table) for _ in range(sum(row))]
    flags = [flag for inliers, outliers in table for flag in [False] * inliers + [True] * outliers]
    cases = [f"s{i}" for i in range(len(flags))]
    metadata = pd.DataFrame({"site": [f"site {w}" for w in words]}, cases)
    row = metadata_tests(pd.Series(flags, cases), metadata).iloc[0]
    sizes = [sum(counts) for counts in table]
    outliers = [counts[1] for counts in table]
    law = [
        np.prod([comb(n, k) for n, k in zip(sizes, drawn, strict=True)]) / comb(sum(sizes), sum(outliers))
        for drawn in product(*(range(n + 1) for n in sizes))
        if sum(drawn) == sum(outliers)
    ]
    seen = np.prod([comb(n, k) for n, k in zip(sizes, outliers, strict=True)]) / comb(sum(sizes), sum(outliers))
    assert sum(law) == pytest.approx(1)
    exact = sum(p for p in law if p <= seen * (1 + 1e-9))
    assert row["test"] == "Fisher (drawn tables)"
    assert row["p"] == pytest.approx(exact, abs=4 * np.sqrt(exact / 9999))


def test_missing_values_and_missing_rows_are_counted():
    outlier, metadata = cohort(4)
    inliers, outliers = outlier.index[~outlier], outlier.index[outlier]
    metadata.loc[inliers[:4], "age"] = np.nan
    metadata.loc[outliers[:2], "sex"] = None
    metadata = metadata.drop(index=[inliers[7], outliers[5]])
    outlier = outlier.astype("boolean")
    outlier[inliers[10]] = pd.NA  # left out
    stranger = pd.DataFrame({"age": [1.0], "sex": ["F"], "site": ["a"]}, index=["elsewhere"])
    table = metadata_tests(outlier, pd.concat([metadata, stranger])).drop_duplicates("column").set_index("column")
    assert table[["missing_inliers", "missing_outliers"]].to_numpy().tolist() == [[5, 1], [1, 3], [1, 1]]
    counted = table[["inliers", "outliers", "missing_inliers", "missing_outliers"]].sum(axis=1)
    assert (counted == 59).all()


def test_codes_and_truth_values_are_words():
    outlier, metadata = cohort(5, n=200)
    metadata["code"] = (metadata["sex"] == "M").astype(int)
    metadata["truth"] = metadata["sex"] == "M"
    table = metadata_tests(outlier, metadata).set_index("column")
    assert table.loc["code", "p"] == table.loc["truth", "p"] == table.loc["sex", "p"]


def test_a_planted_difference_is_found_and_nothing_else():
    outlier, metadata = cohort(6, n=200)
    metadata.loc[outlier.index[outlier], "age"] += 8
    table = metadata_tests(outlier, metadata)
    assert (table.loc[table["column"] == "age", "p_adjusted"] < 0.01).all()
    assert (table.loc[table["column"] != "age", "p_adjusted"] > 0.05).all()


def test_p_values_are_uniform_without_difference():
    tables = pd.concat([metadata_tests(*cohort(seed, n=100)) for seed in range(60)])
    for _, p in tables.groupby("column")["p"]:
        assert (p < 0.05).mean() < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 60)


def test_what_cannot_be_tested_says_why():
    outlier, metadata = cohort(7, n=40)
    metadata["scanner"], metadata["id"] = "A", [f"x{i}" for i in range(40)]
    metadata["unknown"] = np.nan
    table = metadata_tests(outlier, metadata).drop_duplicates("column").set_index("column")
    assert table.loc["scanner", "excluded"] == "the same value in all cases"
    assert table.loc["id", "excluded"] == "40 different words, at most 20 are compared"
    assert table.loc["unknown", "excluded"].startswith("0 inliers and 0 outliers")
    assert table.loc[["scanner", "id", "unknown"], ["p", "p_adjusted"]].isna().all(axis=None)
    assert table.loc[["age", "sex", "site"], "p_adjusted"].notna().all()
    nobody = metadata_tests(outlier & False, metadata)
    assert nobody["p"].isna().all() and nobody["excluded"].str.contains("0 outliers").all()


def test_tables_that_do_not_fit_are_refused():
    outlier, metadata = cohort(8)
    with pytest.raises(ValueError, match=r"metadata: expected every case id once.*s003"):
        metadata_tests(outlier, pd.concat([metadata, metadata.loc[["s003"]]]))
    with pytest.raises(ValueError, match=r"outlier: expected every case id once.*s003"):
        metadata_tests(pd.concat([outlier, outlier[["s003"]]]), metadata)
    with pytest.raises(ValueError, match="Check which column holds the case id"):
        metadata_tests(outlier, metadata.set_index("age"))
