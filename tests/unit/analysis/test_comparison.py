from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import permutation_test, ttest_ind

from agg2exp.analysis.comparison import cliffs_delta, compare
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


def test_is_the_exact_permutation_test_when_draws_are_many():
    first, second = two(1, n=(6, 7), classes=CLASSES[:2])
    table = compare(first, second, draws=20_000)

    def statistic(x, y, axis):
        return np.abs(ttest_ind(x, y, axis=axis, equal_var=False).statistic)

    for i, (k, r) in enumerate(np.ndindex(2, 2)):
        samples = first.values[:, k, r], second.values[:, k, r]
        exact = permutation_test(samples, statistic, vectorized=True, n_resamples=np.inf, alternative="greater").pvalue
        assert table["p"][i] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000) + 1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_each_draw_is_compared_by_welchs_t(seed):
    first, second = two(seed, n=(8, 11))
    first.values[:2, 1] = np.nan
    x = np.concatenate([first.values, second.values]).reshape(19, 25)
    sides = np.random.default_rng(seed).permuted(np.tile(np.arange(19) >= 8, (40, 1)).astype(float), axis=1) > 0

    def t(side):
        return np.abs(ttest_ind(x[side], x[~side], equal_var=False, nan_policy="omit").statistic)

    extreme = np.stack([t(side) for side in sides]) >= t(np.arange(19) >= 8)
    np.testing.assert_allclose(compare(first, second, draws=40, seed=seed)["p"], (1 + extreme.sum(axis=0)) / 41)


def test_the_observed_division_drawn_again_counts_as_extreme():
    first, second = two(10, n=(5, 5))
    second.values[:] += 2
    share = 2 / 252  # of all divisions: the observed one and its mirror image
    np.testing.assert_allclose(compare(first, second)["p"], share, atol=4.5 * np.sqrt(share / 9999))


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
    assert abs(share - 0.05) < 3.5 * error
    assert error < 0.008


def test_level_holds_with_gaps():
    def gaps(seed):
        data = two(seed, n=(20, 25))
        for i, one in enumerate(data):
            one.values[np.random.default_rng((seed, i)).random(one.values.shape[:2]) < 0.4] = np.nan
        return data

    share, error = rejected(gaps, 120)
    assert abs(share - 0.05) < 3.5 * error


def test_level_holds_for_equal_means_of_unlike_spread_and_size():
    def spread(seed):
        g = np.random.default_rng(seed)
        few, many = 0.5 + 0.1 * g.normal(size=(15, 5, 5)), 0.5 + 0.02 * g.normal(size=(60, 5, 5))
        return importances(few, prefix="a"), importances(many, prefix="b")

    share, error = rejected(spread, 80)
    assert share < 0.065 + 3.5 * error  # the plain difference of means rejects a third of these


def test_a_planted_difference_is_found_and_little_else():
    first, second = two(4, n=(40, 40))
    second.values[:, 2, 1] += 0.15
    table = compare(first, second)
    planted = (table["target"] == "heart") & (table["source"] == "aorta")
    assert table["p_adjusted"][planted].item() < 0.01 and table["cliffs_delta"][planted].item() > 0.4
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
