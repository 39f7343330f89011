from itertools import permutations

import numpy as np
import pytest
from scipy.stats import spearmanr

from agg2exp.analysis.outlier_correlation import dice_correlation, spearman
from agg2exp.analysis.outliers import MEAN, normality
from tests.unit.analysis import tables

N = 40
CLASSES = ("background", "aorta", "heart")


def data_and_dice(seed, n=N, concentration=2.0):
    data = tables.importances(tables.rows(seed, n, CLASSES, concentration), CLASSES)
    return data, np.random.default_rng(seed).random((n, 3))


def segmentation(dice, data):
    return tables.segmentation(dice, data.cases, CLASSES)


def test_is_spearman_for_each_seed():
    data, dice = data_and_dice(8)
    data.values[:5, 1] = np.nan
    dice[3:8, 1] = np.nan
    dice[9, 2] = np.nan
    result = dice_correlation(data, data, segmentation(dice, data), seeds=range(3)).set_index("target")
    values = np.stack([normality(data, data, seed) for seed in range(3)])
    for k, name in enumerate(CLASSES):
        both = ~np.isnan(values[0, :, k]) & ~np.isnan(dice[:, k])
        tests = [spearmanr(v[both, k], dice[both, k]) for v in values]
        rho = [test.statistic for test in tests]
        row = result.loc[name]
        assert row[["rho_median", "rho_min", "rho_max"]].tolist() == pytest.approx([np.median(rho), min(rho), max(rho)])
        assert row["p"] == pytest.approx(np.median([test.pvalue for test in tests]))
        assert row["count"] == both.sum()
    assert result.loc["aorta", ["count", "without_normality", "without_dice"]].tolist() == [32, 5, 5]
    known = ~np.isnan(values) & ~np.isnan(dice)
    means = [np.nanmean(np.where(known, v, np.nan), axis=-1) for v in (values, np.broadcast_to(dice, values.shape))]
    rho = [spearmanr(v, d).statistic for v, d in zip(*means, strict=True)]
    assert result.loc[MEAN, "rho_median"] == pytest.approx(np.median(rho))
    assert (result["seeds"] == 3).all() and (result["p_adjusted"] >= result["p"]).all()


def scans(seed, patients=20, each=5):
    """Scans of patients, alike within a patient, whose Dice has nothing to do with their importances."""
    data, dice = data_and_dice(seed, n=patients, concentration=20.0)
    patient = np.repeat(np.arange(patients), each)
    g = np.random.default_rng([seed, 1])
    values = data.values[patient] * g.lognormal(0, 0.02, (len(patient), 1, 3))
    data = tables.importances(values / values.sum(axis=2, keepdims=True), CLASSES)
    return (
        data,
        dice[patient] + g.normal(0, 0.01, (len(patient), 3)),
        {case: f"p{p:02d}" for case, p in zip(data.cases, patient, strict=True)},
    )


def test_scans_of_a_patient_are_one_row():
    data, dice, patients = scans(20, patients=12, each=3)
    data.values[:4, 1] = np.nan  # of the second patient one scan
    dice[6:9, 1], dice[10, 2] = np.nan, np.nan
    result = dice_correlation(data, data, segmentation(dice, data), range(2), patients=patients).set_index("target")
    names = sorted({*patients.values()})
    own = [[n for n, case in enumerate(data.cases) if patients[case] == name] for name in names]
    with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
        means = [
            np.array([np.nanmean(x[scans_of], axis=0) for scans_of in own])
            for x in (normality(data, data, 0), normality(data, data, 1), dice)
        ]
    for k, name in enumerate(CLASSES):
        known = ~np.isnan(means[2][:, k]) & ~np.isnan(means[0][:, k])
        rho, p = spearman(np.stack([x[known, k] for x in means[:2]]), means[2][known, k])
        assert result.loc[name, "rho_median"] == pytest.approx(np.mean(rho))
        assert result.loc[name, "p"] == pytest.approx(np.mean(p))
    assert result.loc["aorta", ["count", "without_normality", "without_dice"]].tolist() == [10, 1, 1]
    assert result.loc["heart", "count"] == result.loc[MEAN, "count"] == 12
    both = ~np.isnan(means[0]) & ~np.isnan(means[2])
    of_mean = [np.nanmean(np.where(both, x, np.nan), axis=1) for x in means]
    rho = [spearmanr(x, of_mean[2]).statistic for x in of_mean[:2]]
    assert result.loc[MEAN, "rho_median"] == pytest.approx(np.mean(rho))
    with pytest.raises(ValueError, match=r"patients: expected a patient for every case, got none for .*s0000"):
        dice_correlation(data, data, segmentation(dice, data), [0], patients={"s0001": "p"})


def test_p_values_of_scans_are_uniform_without_correlation():
    p = []
    for seed in range(25):
        data, dice, patients = scans(seed)
        p.append(dice_correlation(data, data, segmentation(dice, data), [0], patients=patients)["p"].to_numpy()[:3])
    assert np.mean(np.array(p) < 0.05) < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 75)


@pytest.mark.slow
def test_processes_change_nothing():
    data, dice = data_and_dice(9, n=12)
    alone, shared = (dice_correlation(data, data, segmentation(dice, data), range(2), jobs) for jobs in (1, 2))
    assert alone.equals(shared)


def test_abnormal_cases_that_are_segmented_worse_are_found():
    data, dice = data_and_dice(10, concentration=30.0)
    reference, _ = data_and_dice(13, concentration=30.0)
    g = np.random.default_rng(0)
    strange = g.random((N, 1))
    data.values[:, 2] += strange * (np.eye(3)[1] - data.values[:, 2])
    dice[:, 2] = 0.95 - 0.3 * strange[:, 0] + g.normal(0, 0.01, N)
    result = dice_correlation(data, reference, segmentation(dice, data), seeds=range(2)).set_index("target")
    assert result.loc["heart", "rho_min"] > 0.5 and result.loc["heart", "p_adjusted"] < 1e-3
    assert (result.loc[["background", "aorta"], "p_adjusted"] > 0.01).all()


def test_what_is_not_defined_says_why():
    data, dice = data_and_dice(11, n=12)
    dice[:, 0], dice[3:, 1] = 0.9, np.nan
    result = dice_correlation(data, data, segmentation(dice, data), seeds=[0]).set_index("target")
    assert result.loc["background", "excluded"] == "Dice is the same in all cases"
    assert result.loc["aorta", "excluded"] == "3 cases with Dice and normality, at least 5 needed"
    assert result.loc[["background", "aorta"], ["rho_median", "p", "p_adjusted"]].isna().all(axis=None)
    assert (result["excluded"][2:] == "").all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("of_patients", [False, True])
def test_normality_without_variation_says_so(of_patients):
    reference, _ = data_and_dice(14)
    data, dice = data_and_dice(15, n=20)
    data.values[:, 1] = data.values[0, 1]
    dice[:, 2] = 0.7
    patients = {case: f"p{int(np.sqrt(i))}" for i, case in enumerate(data.cases)} if of_patients else None
    result = dice_correlation(data, reference, segmentation(dice, data), range(2), patients=patients)
    row, rows_are = result.set_index("target").loc["aorta"], "patients" if of_patients else "cases"
    assert row["excluded"] == f"normality is the same in all {rows_are} with 2 of 2 seeds"
    assert row[["rho_median", "p", "p_adjusted"]].isna().all()
    assert result.set_index("target").loc["heart", "excluded"] == f"Dice is the same in all {rows_are}"
    assert (result["excluded"][[0, 3]] == "").all() and result["p_adjusted"][[0, 3]].notna().all()


def test_without_dice_of_any_case_there_is_an_error():
    data, dice = data_and_dice(12, n=12)
    with pytest.raises(ValueError, match="Dice of the 12 cases"):
        dice_correlation(data, data, tables.segmentation(dice, [f"x{i}" for i in range(12)], CLASSES))
    with pytest.raises(ValueError, match="no annotated labels"):
        dice_correlation(data, data, segmentation(dice * np.nan, data))


def test_p_of_few_patients_counts_all_orders():
    g = np.random.default_rng(0)
    y = np.array([3.0, 1, 1, 4, 9, 7])
    x = g.random((4, 6)).round(1)
    rho, p = spearman(x, y)
    for row, its_rho, its_p in zip(x, rho, p, strict=True):
        others = np.array([spearmanr(row, order).statistic for order in permutations(y)])
        assert its_rho == spearmanr(row, y).statistic
        assert its_p == pytest.approx((np.abs(others) >= abs(its_rho) - 1e-9).mean())
    assert spearman(np.arange(5.0)[None], np.arange(5.0))[1] == pytest.approx(2 / 120)  # Student's: 0


def test_p_of_many_patients_is_students():
    g = np.random.default_rng(1)
    x, y = g.random((3, 20)), g.random(20)
    rho, p = spearman(x, y)
    assert rho.tolist() == [spearmanr(row, y).statistic for row in x]
    assert p.tolist() == [spearmanr(row, y).pvalue for row in x]


@pytest.mark.parametrize("n", [5, 6, 8, 12, 19])
def test_level_holds_for_few_patients(n):
    g = np.random.default_rng(n)
    p = np.concatenate([spearman(g.random((500, n)), g.exponential(size=n))[1] for _ in range(2)])
    assert (p <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)
    assert (p <= 0.005).mean() <= 0.005 + 3 * np.sqrt(0.005 / 1000)
