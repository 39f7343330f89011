from itertools import product
from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, hypergeom, mannwhitneyu, permutation_test, t, ttest_ind

from agg2exp.analysis.metadata import metadata_tests
from agg2exp.analysis.permuted_welch import permuted_welch


def cohort(seed, n=60, share=0.3):
    g = np.random.default_rng(seed)
    cases = [f"s{i:03d}" for i in range(n)]
    outlier = pd.Series(g.random(n) < share, index=cases)
    metadata = pd.DataFrame(
        {"age": g.normal(60, 10, n), "sex": g.choice(["F", "M"], n), "site": g.choice(list("abc"), n)}, index=cases
    )
    return outlier, metadata.sample(frac=1, random_state=seed)


def normality(outlier):
    """A decision function with these outliers."""
    return outlier.map({True: -1.0, False: 1.0})


@pytest.mark.parametrize("seed", range(3))
def test_numbers_meet_mann_whitney_and_welch(seed):
    outlier, metadata = cohort(seed)
    table = metadata_tests(normality(outlier), metadata).set_index(["column", "test"])
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


@pytest.mark.parametrize(("n", "k", "name"), [(9, 2, "all"), (20, 14, "drawn"), (40, 3, "all"), (60, 5, "drawn")])
def test_few_outliers_meet_the_permutations_of_welchs_t(n, k, name):
    outlier = pd.Series(np.arange(n) < k, index=[f"s{i:03d}" for i in range(n)])
    metadata = pd.DataFrame({"age": np.random.default_rng(n).integers(40, 90, n)}, index=outlier.index)
    row = metadata_tests(normality(outlier), metadata).set_index("test").loc[f"Welch's t ({name} permutations)"]
    x, y = (metadata["age"][outlier == flag].to_numpy(dtype=float) for flag in (True, False))

    def welch(x, y, axis):
        return np.abs(ttest_ind(x, y, axis=axis, equal_var=False).statistic)

    n_resamples = 20_000 if name == "drawn" else np.inf
    peer = permutation_test((x, y), welch, vectorized=True, alternative="greater", n_resamples=n_resamples, rng=1)
    assert row["p"] == pytest.approx(peer.pvalue, abs=0.02 if name == "drawn" else 1e-12)
    assert row["statistic"] == pytest.approx(ttest_ind(x, y, equal_var=False).statistic)


@pytest.mark.parametrize("draw", ["normal", "exponential", "ages"])
@pytest.mark.parametrize(("k", "n"), [(2, 8), (2, 30), (3, 15)])
def test_welchs_t_keeps_its_level_with_few_outliers(draw, k, n):
    g = np.random.default_rng(k * n)
    draws = {"normal": g.normal, "exponential": g.exponential, "ages": lambda size: g.integers(50, 70, size)}
    p = np.array([permuted_welch(*np.split(draws[draw](size=k + n), [k]))[1] for _ in range(300)])
    assert (p <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)  # Student's distribution: 0.12 to 0.2 with two


def test_welchs_t_finds_few_outliers_that_are_much_older():
    outlier = pd.Series(np.arange(30) < 4, index=[f"s{i:03d}" for i in range(30)])
    age = np.random.default_rng(0).normal(60, 5, 30) + 25 * outlier.to_numpy()
    table = metadata_tests(normality(outlier), pd.DataFrame({"age": age}, index=outlier.index))
    assert (table["p_adjusted"] < 0.01).all()


@pytest.mark.parametrize("seed", range(3))
def test_words_meet_chi_square(seed):
    outlier, metadata = cohort(seed, n=200)
    table = metadata_tests(normality(outlier), metadata).set_index("column")
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
    row = metadata_tests(normality(outlier), metadata).iloc[0]
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
    row = metadata_tests(normality(pd.Series(flags, cases)), metadata).iloc[0]
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
    table = (
        metadata_tests(normality(outlier), pd.concat([metadata, stranger]))
        .drop_duplicates("column")
        .set_index("column")
    )
    assert table[["missing_inliers", "missing_outliers"]].to_numpy().tolist() == [[5, 1], [1, 3], [1, 1]]
    counted = table[["inliers", "outliers", "missing_inliers", "missing_outliers"]].sum(axis=1)
    assert (counted == 59).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["float64", "Float64"])
def test_an_infinite_number_counts_as_missing(kind):
    outlier, metadata = cohort(9)
    blank = metadata.astype({"age": kind})
    blank.loc[["s004", "s005", "s006"], "age"] = pd.NA if kind == "Float64" else np.nan
    infinite = metadata.astype({"age": kind})
    infinite.loc[["s004", "s005", "s006"], "age"] = [np.inf, -np.inf, np.inf]
    table = metadata_tests(normality(outlier), infinite)
    assert table.equals(metadata_tests(normality(outlier), blank))
    assert table.loc[0, ["missing_inliers", "missing_outliers"]].sum() == 3
    infinite["code"] = [0.0, 1.0, np.inf, *[0.0, 1.0] * 28, 1.0]
    assert metadata_tests(normality(outlier), infinite)["test"].tolist()[-1] in ("chi-square", "Fisher")


def test_codes_and_truth_values_are_words():
    outlier, metadata = cohort(5, n=200)
    metadata["code"] = (metadata["sex"] == "M").astype(int)
    metadata["truth"] = metadata["sex"] == "M"
    table = metadata_tests(normality(outlier), metadata).set_index("column")
    assert table.loc["code", "p"] == table.loc["truth", "p"] == table.loc["sex", "p"]


def test_a_planted_difference_is_found_and_nothing_else():
    outlier, metadata = cohort(6, n=200)
    metadata.loc[outlier.index[outlier], "age"] += 8
    table = metadata_tests(normality(outlier), metadata)
    assert (table.loc[table["column"] == "age", "p_adjusted"] < 0.01).all()
    assert (table.loc[table["column"] != "age", "p_adjusted"] > 0.05).all()


def test_p_values_are_uniform_without_difference():
    cohorts = [cohort(seed, n=100) for seed in range(60)]
    tables = pd.concat([metadata_tests(normality(outlier), metadata) for outlier, metadata in cohorts])
    for _, p in tables.groupby("column")["p"]:
        assert (p < 0.05).mean() < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 60)


def test_what_cannot_be_tested_says_why():
    outlier, metadata = cohort(7, n=40)
    metadata["scanner"], metadata["id"] = "A", [f"x{i}" for i in range(40)]
    metadata["unknown"] = np.nan
    table = metadata_tests(normality(outlier), metadata).drop_duplicates("column").set_index("column")
    assert table.loc["scanner", "excluded"] == "the same value in all cases"
    assert table.loc["id", "excluded"] == "40 different words, at most 20 are compared"
    assert table.loc["unknown", "excluded"].startswith("0 inliers and 0 outliers")
    assert table.loc[["scanner", "id", "unknown"], ["p", "p_adjusted"]].isna().all(axis=None)
    assert table.loc[["age", "sex", "site"], "p_adjusted"].notna().all()
    nobody = metadata_tests(normality(outlier & False), metadata)
    assert nobody["p"].isna().all() and nobody["excluded"].str.contains("0 outliers").all()


@pytest.mark.parametrize("kind", [object, "string"])
def test_numbers_written_as_words_are_not_compared_as_words(kind):
    outlier, metadata = cohort(7, n=40)
    words = pd.DataFrame(
        {
            "stray": ["unknown" if i == 3 else str(40 + i) for i in range(40)],
            "commas": [f"{70 + i},5" if i % 4 else str(70 + i) for i in range(40)],
            "few": ["1", "2", "3", "x"] * 10,
            "stages": ["1", "2a", "2b", "3"] * 10,
            "two": ["0", "1", "1", "x"] * 10,
            "digits": ["1", "2", "3", "4"] * 10,
        },
        index=metadata.index,
        dtype=kind,
    )
    table = metadata_tests(normality(outlier), words).set_index("column")
    first = words["commas"].reindex(outlier.index).pipe(lambda w: w[w.str.contains(",")].iloc[0])
    for column, wrong in (("stray", "1 of 40"), ("commas", "30 of 40"), ("few", "10 of 40")):
        example = {"stray": "unknown", "commas": first, "few": "x"}[column]
        assert table.loc[column, "excluded"] == (
            f"most values are numbers, but {wrong} cannot be read as such, for example {example!r}; "
            "write decimal points and leave blank what is not known"
        )
    assert (table.loc[["stages", "two", "digits"], "excluded"] == "").all()
    assert table["p"].notna().tolist() == [False, False, False, True, True, True]


def test_tables_that_do_not_fit_are_refused():
    outlier, metadata = cohort(8)
    with pytest.raises(ValueError, match=r"metadata: expected every case id once.*s003"):
        metadata_tests(normality(outlier), pd.concat([metadata, metadata.loc[["s003"]]]))
    with pytest.raises(ValueError, match=r"normality: expected every case id once.*s003"):
        metadata_tests(normality(pd.concat([outlier, outlier[["s003"]]])), metadata)
    with pytest.raises(ValueError, match="Check which column holds the case id"):
        metadata_tests(normality(outlier), metadata.set_index("age"))
    with pytest.raises(ValueError, match="metadata: expected a column beside those of case and patient"):
        metadata_tests(normality(outlier), metadata[[]])
    with pytest.raises(ValueError, match=r"patients: expected a patient for every case, got none for .*s003"):
        metadata_tests(normality(outlier), metadata, {case: "p" for case in outlier.index if case != "s003"})


def scans(seed, patients=20, each=5):
    """Scans of patients who have age and sex and are normal to a degree, none of which has to do with another."""
    g = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), each)
    cases = [f"s{i:03d}" for i in range(len(patient))]
    value = g.normal(0.05, 0.1, patients)[patient] + g.normal(0, 0.02, len(patient))
    metadata = {"age": g.normal(60, 10, patients)[patient], "sex": g.choice(["F", "M"], patients)[patient]}
    return pd.Series(value, cases), pd.DataFrame(metadata, cases), dict(zip(cases, map(str, patient), strict=True))


def slowly_reduced(values, metadata, patients):
    """The outlier and the facts of each patient, one after the other."""
    outlier, facts = {}, {}
    for name in sorted({*patients.values()}):
        own = [case for case in values.index if patients[case] == name and not np.isnan(values[case])]
        if not own:
            continue
        outlier[name] = sum(values[case] for case in own) / len(own) < 0
        facts[name] = {}
        for column in metadata:
            known = [metadata.loc[case, column] for case in own if not pd.isna(metadata.loc[case, column])]
            if column == "age":
                facts[name][column] = sum(known) / len(known) if known else np.nan
            else:
                facts[name][column] = known[0] if len({*known}) == 1 else None
    return pd.Series(outlier), pd.DataFrame(facts).T.infer_objects()


@pytest.mark.parametrize("seed", range(3))
def test_scans_of_a_patient_are_one_row(seed):
    values, metadata, patients = scans(seed, patients=30, each=4)
    g = np.random.default_rng([seed, 1])
    metadata["code"] = g.choice([0, 1], 30).repeat(4)
    metadata["true"] = (metadata["code"] == 1).astype("boolean")
    metadata["age"] += g.normal(0, 1, 120)
    values.iloc[:4], values.iloc[5] = np.nan, np.nan  # the first patient is in none of the groups
    metadata.iloc[8:12] = pd.NA  # the third one has no metadata, and the fourth in one scan
    metadata.iloc[12, :2] = np.nan, None
    metadata.iloc[17, 1] = "F" if metadata.iloc[16, 1] == "M" else "M"  # the fifth is both
    outlier, facts = slowly_reduced(values, metadata, patients)
    table = metadata_tests(values.sample(frac=1, random_state=seed), metadata, patients, seed)
    pd.testing.assert_frame_equal(
        table.drop(columns=["summary_inliers", "summary_outliers"]),
        metadata_tests(normality(outlier), facts, seed=seed).drop(columns=["summary_inliers", "summary_outliers"]),
    )
    counts = table.set_index("column")[["inliers", "outliers"]].sum(axis=1)
    assert counts["age"].tolist() == [28, 28] and (counts["sex"], counts["code"], counts["true"]) == (27, 28, 28)


def test_a_patient_per_case_changes_nothing():
    values, metadata, _ = scans(3)
    alone = metadata_tests(values, metadata, {case: f"p{case}" for case in values.index})
    assert alone.equals(metadata_tests(values, metadata))


def test_p_values_of_scans_are_uniform_without_difference():
    """Taking the five scans of a patient for five patients would reject far more often."""
    draws = [scans(seed) for seed in range(150)]
    p, of_scans = (
        np.array([t["p"].to_numpy() for t in tables])
        for tables in ([metadata_tests(*draw) for draw in draws], [metadata_tests(v, m) for v, m, _ in draws])
    )
    assert (np.nanmean(p < 0.05, axis=0) < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 150)).all()
    assert (np.nanmean(of_scans < 0.05, axis=0) > 0.25).all()
