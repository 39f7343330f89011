from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import permutation_test, ttest_ind

from agg2exp.analysis.comparison import cliffs_delta, compare
from agg2exp.analysis.few_patients import least_p
from agg2exp.analysis.welch import p_values
from agg2exp.domain.roi_importance import Kind
from tests.unit.analysis.tables import CLASSES, importances, rows


def two(seed, n=(20, 30), classes=CLASSES):
    first, second = (rows(2 * seed + i, size, classes) for i, size in enumerate(n))
    return importances(first, classes, prefix="a"), importances(second, classes, prefix="b")


def test_columns_are_plain_counts_means_and_differences():
    first, second = two(0)
    first.values[:3, 1] = np.nan
    table = compare(first, second, draws=19)
    assert list(zip(table["target"][:6], table["source"][:6], strict=True))[4:] == [
        ("background", "lung_upper"),
        ("aorta", "background"),
    ]
    np.testing.assert_allclose(table["mean_first"], np.nanmean(first.values, axis=0).ravel())
    np.testing.assert_allclose(table["difference"], (second.values.mean(0) - np.nanmean(first.values, 0)).ravel())
    assert table["count_first"].tolist() == [20] * 5 + [17] * 5 + [20] * 15
    assert table["count_second"].eq(30).all() and table["excluded"].eq("").all()


@pytest.mark.parametrize("seed", range(3))
def test_p_is_the_largest_of_permutations_of_the_bootstrap_about_each_mean_and_of_what_few_allow(seed):
    first, second = two(seed, n=(10, 12))
    second.values[:] *= 1.5
    p_of_compare = compare(first, second, draws=20_000)["p"]

    def statistic(x, y, axis):
        return np.abs(ttest_ind(x, y, axis=axis, equal_var=False).statistic)

    g = np.random.default_rng(seed)
    for i in range(0, 25, 6):
        samples = [data.values[:, i // 5, i % 5] for data in (first, second)]
        permuted = permutation_test(
            samples, statistic, vectorized=True, n_resamples=20_000, alternative="greater", rng=g
        ).pvalue
        drawn = [g.choice(x - x.mean(), size=(20_000, len(x))) for x in samples]
        resampled = (statistic(*drawn, axis=1) >= statistic(*samples, axis=0)).mean()
        p = max(permuted, resampled, *least_p(*(x[:, None] for x in samples)))
        assert p_of_compare[i] == pytest.approx(p, abs=6 * np.sqrt(p * (1 - p) / 20_000) + 1e-4)


def test_gaps_are_left_out_of_each_draw():
    first, second = two(1, n=(14, 18))
    first.values[:2, 1] = second.values[5:8, 1] = np.nan
    alone = compare(
        replace(first, values=first.values[2:], cases=first.cases[2:]),
        replace(second, values=np.delete(second.values, range(5, 8), axis=0), cases=second.cases[3:]),
        draws=20_000,
    )
    np.testing.assert_allclose(compare(first, second, draws=20_000)["p"][5:10], alone["p"][5:10], atol=0.03)


def test_the_observed_division_drawn_again_counts_as_extreme():
    x = np.random.default_rng(0).random((10, 20)) + 2 * (np.arange(10) >= 5)[:, None]
    share = 2 / 252  # of all divisions: the observed one and its mirror image
    p = p_values(x, np.arange(10) >= 5, 9999, np.random.default_rng(0))
    assert (p > share - 4.5 * np.sqrt(share / 9999)).all()


@pytest.mark.parametrize("seed", range(3))
def test_cliffs_delta_is_the_share_of_pairs(seed):
    g = np.random.default_rng(seed)
    x = g.integers(6, size=(30, 4)).astype(float)  # with ties
    x[g.random(x.shape) < 0.2] = np.nan
    in_second = np.arange(30) >= 12
    for e, delta in enumerate(cliffs_delta(x, in_second)):
        a, b = (side[~np.isnan(side)] for side in (x[~in_second, e], x[in_second, e]))
        assert delta == pytest.approx(np.sign(b[:, None] - a).mean())


def test_patients_without_a_value_change_nothing():
    first, second = two(3)
    first.values[12:, 2] = np.nan
    second.values[::2, 2] = np.nan
    part = compare(
        replace(first, values=first.values[:12], cases=first.cases[:12]),
        replace(second, values=second.values[1::2], cases=second.cases[1::2]),
        draws=4000,
    )
    whole = compare(first, second, draws=4000)
    heart = whole["target"] == "heart"
    np.testing.assert_allclose(whole["cliffs_delta"][heart], part["cliffs_delta"][heart])
    np.testing.assert_allclose(whole["p"][heart], part["p"][heart], atol=0.06)


def rejected(draw, repeats, **settings):
    """Share of p ≤ 0.05 over repeats and entries, and its standard error over repeats."""
    shares = [(compare(*draw(seed), draws=199, seed=seed, **settings)["p"] <= 0.05).mean() for seed in range(repeats)]
    return np.mean(shares), np.std(shares, ddof=1) / np.sqrt(repeats)


def test_level_holds_without_difference():
    share, error = rejected(lambda seed: two(seed, n=(15, 25)), 120)
    assert 0.03 < share < 0.05 + 3.5 * error
    assert error < 0.008


def test_level_holds_with_gaps():
    def gaps(seed):
        data = two(seed, n=(25, 30))
        for i, one in enumerate(data):
            one.values[np.random.default_rng((seed, i)).random(one.values.shape[:2]) < 0.3] = np.nan
        return data

    share, error = rejected(gaps, 120)
    assert 0.03 < share < 0.05 + 3.5 * error


def claims(few, many, repeats=3):
    """Share of comparisons with any adjusted p ≤ 0.05 over 17 × 17, where the few patients vary three times as much."""
    names, found = tuple(f"class_{i}" for i in range(17)), []
    for seed in range(repeats):
        g = np.random.default_rng(seed)
        data = [few(g), many(g)]
        one, other = (importances(x, names, prefix=p) for x, p in zip(data, "ab", strict=True))
        found.append((compare(one, other, draws=4999, seed=seed)["p_adjusted"] <= 0.05).any())
    return np.mean(found)


def test_unlike_spread_alone_is_no_change():
    shape = (17, 17)
    normal = claims(
        lambda g: 0.5 + 0.06 * g.normal(size=(10, *shape)), lambda g: 0.5 + 0.02 * g.normal(size=(30, *shape))
    )
    bounded = claims(lambda g: g.beta(2, 8, size=(20, *shape)), lambda g: g.beta(19.6, 78.4, size=(60, *shape)))
    assert normal <= 0.1 and bounded <= 0.1  # permutations alone: 0.1 and 0.3; below ten patients, see the next


def test_six_patients_against_twenty_are_not_compared():
    first, second = two(11, n=(6, 20))
    table = compare(first, second)
    assert table["excluded"].str.startswith("6 patients against 20: if spreads differ").all()
    assert table["p"].isna().all() and table["difference"].notna().all()


def test_skewed_values_are_not_compared_with_those_of_many_more_patients():
    first, second = two(12, n=(20, 60))
    first.values[:, 1, 2] = np.random.default_rng(0).beta(0.2, 1.8, size=20)
    table = compare(first, second, draws=99).set_index(["target", "source"])
    assert "or more for a skewness of" in table.loc[("aorta", "heart"), "excluded"]
    assert (table["excluded"] == "").mean() > 0.7
    swapped = compare(second, first, draws=99).set_index(["target", "source"])
    assert (swapped["excluded"].str.len() == table["excluded"].str.len()).all()


def test_a_planted_difference_is_found_and_little_else():
    first, second = two(4, n=(40, 40))
    second.values[:, 2, 1] += 0.15
    table = compare(first, second)
    planted = (table["target"] == "heart") & (table["source"] == "aorta")
    assert table["p_adjusted"][planted].item() < 0.02 and table["cliffs_delta"][planted].item() > 0.4
    assert (table["p_adjusted"][~planted] < 0.05).sum() <= 1


def test_one_changed_entry_of_17_by_17_survives_the_adjustment():
    names = ("background", *(f"class_{i}" for i in range(16)))
    first, second = two(5, n=(40, 40), classes=names)
    second.values[:, 3, 4] += 0.3
    table = compare(first, second)
    assert table["p_adjusted"].idxmin() == 3 * 17 + 4 and table["p_adjusted"].min() < 0.05


def test_same_seed_same_result_and_sides_are_symmetric():
    first, second = two(6)
    table, again, other = compare(first, second), compare(first, second), compare(second, first)
    assert table.equals(again)
    np.testing.assert_allclose(other["cliffs_delta"], -table["cliffs_delta"])
    np.testing.assert_allclose(other["p"], table["p"], atol=0.025)


def test_what_one_data_set_lacks_is_stated():
    first, second = two(7)
    second = replace(second, targets=CLASSES[:4], values=second.values[:, :4])
    first = replace(first, sources=(*CLASSES, "nodule"), values=np.pad(first.values, ((0, 0), (0, 0), (0, 1))))
    second.values[4:, 1] = np.nan
    first.values[:, :, 2], second.values[:, :, 2] = 0.0, 0.0
    table = compare(first, second, draws=99).set_index(["target", "source"])
    assert (table.loc["lung_upper", "excluded"][:5] == "the second data set has no target lung_upper").all()
    assert table.loc[("heart", "nodule"), "excluded"] == "the second data set has no source nodule"
    assert table.loc[("aorta", "aorta"), "excluded"] == "4 patients in the second data set, at least 5 needed"
    assert table.loc[("heart", "heart"), "excluded"] == "the same value in all patients"
    assert ((table["excluded"] == "") == table["p"].notna()).all()
    assert table["p_adjusted"].notna().sum() == 3 * 4


def test_one_patient_is_excluded_everywhere():
    first, second = two(8)
    table = compare(replace(first, cases=first.cases[:1], values=first.values[:1]), second)
    assert table["p"].isna().all() and table["excluded"].str.startswith("1 patients in the first").all()


def test_shared_patients_kinds_and_label_schemes_are_refused():
    first, second = two(9)
    with pytest.raises(ValueError, match="a0000"):
        compare(first, replace(second, cases=(*first.cases[:10], *second.cases[10:])))
    with pytest.raises(ValueError, match="lung_upper"):
        compare(first, two(9, classes=CLASSES[:4])[1])
    with pytest.raises(ValueError, match="one kind"):
        compare(first, replace(second, kind=Kind.MASS))
