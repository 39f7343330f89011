import time

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from agg2exp.aggregation.global_importance import global_importance
from agg2exp.domain.roi_importance import GlobalImportance, Kind

KIND = Kind.IMPORTANCE
TARGETS, SOURCES = ("spleen", "aorta"), ("background", "aorta", "spleen")


def table(x, targets=TARGETS, sources=SOURCES):
    """A merged local table from x (cases, K, R); other kinds are left out."""
    index = pd.MultiIndex.from_product(
        [[f"case_{i:05d}" for i in range(len(x))], targets, sources], names=["case", "target", "source"]
    )
    return pd.DataFrame({KIND.value: x.ravel()}, index=index).reset_index()


def sample(seed, n=12, missing=0.3):
    g = np.random.default_rng(seed)
    x = g.beta(2.0, 6.0, size=(n, 2, 3))
    x[g.random(x.shape) < missing] = np.nan
    return x


def brute_force(x, patient, draws, seed):
    """Bootstrap-t of each entry by listing the scans of each drawn patient, with the same draws."""
    ends = np.full((2, *x.shape[1:]), np.nan)
    for k, r in np.ndindex(*x.shape[1:]):
        scans = pd.Series(x[:, k, r]).groupby(np.array(patient)).apply(lambda s: s.dropna().tolist())
        scans = [values for values in scans if values]
        if len(scans) < 5:
            continue

        def mean_and_error(chosen):
            values, sizes = np.concatenate(chosen), np.array([len(s) for s in chosen])
            residuals = np.array([sum(s) for s in chosen]) - values.mean() * sizes
            return values.mean(), np.sqrt((residuals**2).sum()) / sizes.sum()

        g, (mean, error), t = np.random.default_rng(seed), mean_and_error(scans), []
        for _ in range(draws):
            of_draw = mean_and_error([scans[i] for i in g.integers(len(scans), size=len(scans))])
            t.append((of_draw[0] - mean) / of_draw[1])
        t = np.sort(t)
        ends[:, k, r] = mean - error * t[np.ceil(draws * np.array([0.975, 0.025])).astype(int) - 1]
    return np.clip(ends, 0, 1)


@pytest.mark.parametrize("seed", range(3))
def test_mean_count_and_std_ignore_nan(seed):
    x = sample(seed)
    result = global_importance(table(x), KIND, draws=20)
    assert (result.kind, result.targets, result.sources) == (KIND, TARGETS, SOURCES)
    np.testing.assert_allclose(result.mean, np.nanmean(x, axis=0))
    np.testing.assert_array_equal(result.count, (~np.isnan(x)).sum(axis=0))
    np.testing.assert_allclose(result.std, np.nanstd(x, axis=0, ddof=1))


@pytest.mark.parametrize("seed", range(3))
def test_interval_equals_brute_force(seed):
    x = sample(seed, n=14, missing=0.2)
    result = global_importance(table(x), KIND, draws=150, seed=seed)
    low, high = brute_force(x, [f"{i:05d}" for i in range(14)], 150, seed)
    np.testing.assert_allclose(result.low, low)
    np.testing.assert_allclose(result.high, high)


@pytest.mark.parametrize("seed", range(3))
def test_all_scans_of_a_drawn_patient_come_along(seed):
    x = sample(seed, n=20, missing=0.1)
    patient = [f"p{i}" for i in np.random.default_rng(seed).permutation(np.arange(20) % 8)]
    patients = {f"case_{i:05d}": name for i, name in enumerate(patient)}
    result = global_importance(table(x), KIND, patients, draws=150, seed=seed)
    low, high = brute_force(x, patient, 150, seed)
    np.testing.assert_allclose(result.low, low)
    np.testing.assert_allclose(result.high, high)
    np.testing.assert_allclose(result.mean, np.nanmean(x, axis=0))


def test_repeated_scans_make_nothing_surer():
    x = np.random.default_rng(0).beta(5, 5, size=(15, 2, 3))
    thrice = np.repeat(x, 3, axis=0)
    patients = {f"case_{i:05d}": f"p{i // 3:05d}" for i in range(45)}
    once = global_importance(table(x), KIND)
    again = global_importance(table(thrice), KIND, patients)
    np.testing.assert_allclose([again.low, again.high], [once.low, once.high])
    as_if = global_importance(table(thrice), KIND)
    assert (as_if.high - as_if.low < 0.8 * (once.high - once.low)).all()


def test_order_of_rows_does_not_matter_and_seed_does():
    frame = table(sample(0))
    first = global_importance(frame, KIND, draws=100, seed=3)
    shuffled = frame.sample(frac=1, random_state=1)
    second = global_importance(shuffled, KIND, draws=100, seed=3)
    rows = [second.targets.index(t) for t in first.targets]
    columns = [second.sources.index(s) for s in first.sources]
    for name in ("mean", "count", "std", "low", "high"):
        np.testing.assert_array_equal(getattr(second, name)[np.ix_(rows, columns)], getattr(first, name))
    assert not np.array_equal(global_importance(frame, KIND, draws=100, seed=4).low, first.low)
    assert second.targets == tuple(shuffled["target"].unique())


def test_fewer_than_five_patients_have_no_interval():
    x = sample(0, n=9, missing=0)
    x[4:, 0, 0] = np.nan  # 4 values
    x[5:, 0, 1] = np.nan  # 5 values
    x[:, 1, 2] = np.nan  # none
    x[1:, 1, 1] = np.nan  # one
    result = global_importance(table(x), KIND)
    assert np.isnan(result.low[0, 0]) and np.isnan(result.high[0, 0]) and result.count[0, 0] == 4
    assert result.low[0, 1] < result.mean[0, 1] < result.high[0, 1]
    assert np.isnan(result.mean[1, 2]) and np.isnan(result.std[1, 2]) and result.count[1, 2] == 0
    assert result.mean[1, 1] == x[0, 1, 1] and np.isnan(result.std[1, 1])
    one_patient = global_importance(table(x), KIND, {f"case_{i:05d}": "same" for i in range(9)})
    assert np.isnan(one_patient.low).all() and one_patient.count[0, 1] == 5


@pytest.mark.parametrize(("n", "least"), [(5, 0.90), (8, 0.91), (20, 0.92), (60, 0.93)])
def test_interval_covers_the_mean_of_skewed_shares(n, least):
    x = np.random.default_rng(n).beta(0.5, 5, size=(n, 40, 50))  # 2000 intervals: standard error 0.006
    result = global_importance(table(x, [f"t{i}" for i in range(40)], [f"s{i}" for i in range(50)]), KIND)
    covered = ((result.low <= 0.5 / 5.5) & (result.high >= 0.5 / 5.5)).mean()
    assert least < covered < 0.97  # percentile intervals: 0.75, 0.83, 0.89, 0.93


def test_interval_of_a_symmetric_mean_is_that_of_students_t():
    x = np.random.default_rng(1).normal(0.5, 0.1, size=(60, 10, 10))
    result = global_importance(table(x, [f"t{i}" for i in range(10)], [f"s{i}" for i in range(10)]), KIND, draws=4000)
    student = t.ppf(0.975, 59) * x.std(axis=0, ddof=1) / np.sqrt(60)
    assert np.mean((result.high - result.low) / (2 * student)) == pytest.approx(1, abs=0.02)


def test_interval_covers_where_patients_have_several_scans_and_gaps():
    g, covered = np.random.default_rng(2), []
    for _ in range(40):
        patient = np.sort(np.r_[np.arange(12), g.integers(12, size=20)])
        x = g.gamma(2, 0.05, size=(12, 5, 5))[patient] + g.normal(0, 0.01, size=(32, 5, 5))
        x[g.random(x.shape) < 0.1] = np.nan
        patients = {f"case_{i:05d}": f"p{p:02d}" for i, p in enumerate(patient)}
        result = global_importance(table(x, list("abcde"), list("vwxyz")), KIND, patients)
        covered.append((result.low <= 0.1) & (result.high >= 0.1))
    assert 0.92 < np.mean(covered) < 0.97  # 1000 intervals: standard error 0.007


def test_interval_ends_where_the_kind_does():
    x = np.zeros((8, 1, 1))
    x[0] = 0.4  # a third of the draws hold zeros alone, and say nothing of how large the mean may be
    share = global_importance(table(x, ["a"], ["b"]), KIND)
    assert (share.low[0, 0], share.high[0, 0]) == (0, 1)
    amount = table(100 * x, ["a"], ["b"]).rename(columns={KIND.value: "mass"})
    assert global_importance(amount, Kind.MASS).low[0, 0] == 0
    assert global_importance(amount, Kind.MASS).high[0, 0] == np.inf
    signed = table(-100 * x, ["a"], ["b"]).rename(columns={KIND.value: "signed_sum"})
    assert global_importance(signed, Kind.SIGNED_SUM).low[0, 0] == -np.inf


def test_few_patients_among_many_have_the_interval_that_they_have_alone():
    x = np.full((300, 1, 2), np.nan)
    x[::50, 0, 0] = np.random.default_rng(3).beta(2, 6, size=6)
    x[:, 0, 1] = np.random.default_rng(4).beta(2, 6, size=300)
    among, alone = (global_importance(table(y, ["a"], ["b", "c"]), KIND) for y in (x, x[::50]))
    assert (among.low[0, 0], among.high[0, 0]) == (alone.low[0, 0], alone.high[0, 0])
    assert np.isfinite([among.low[0, 0], among.high[0, 0]]).all()


def test_what_the_interval_is_over_is_said_and_marked():
    x = np.random.default_rng(5).beta(2, 6, size=(40, 1, 4))
    x[4:, 0, 0], x[5:, 0, 1], x[20:, 0, 2] = np.nan, np.nan, np.nan
    frame = table(x, ["a"], list("bcde"))
    result = global_importance(frame, KIND)
    assert result.over[0].tolist() == ["4 scans, too few", "5 scans, few", "20 scans", "40 scans"]
    halves = global_importance(frame, KIND, {f"case_{i:05d}": f"p{i // 2:02d}" for i in range(40)})
    assert halves.over[0].tolist() == ["2 patients, too few", "3 patients, too few", "10 patients, few", "20 patients"]
    assert result.to_frame()["ci_over"].tolist() == result.over[0].tolist()
    assert GlobalImportance.from_frame(result.to_frame(), KIND).over.tolist() == result.over.tolist()


def test_constant_has_no_width_whatever_its_size():
    for value in (1e9, 0.1):
        result = global_importance(table(np.full((10, 2, 3), value)), KIND)
        np.testing.assert_allclose([result.low, result.high], value, rtol=1e-15)
        np.testing.assert_allclose(result.std, 0, atol=1e-15)


def test_row_that_is_not_in_the_table_is_missing():
    frame = table(sample(0, missing=0))
    result = global_importance(frame.iloc[1:], KIND)
    assert sorted(result.count.ravel()) == [11] + [12] * 5


def test_empty_table_gives_an_empty_result():
    assert global_importance(table(np.empty((0, 2, 3))), KIND).mean.shape == (0, 0)


def test_mistakes_are_errors():
    frame = table(sample(0))
    with pytest.raises(ValueError, match="twice"):
        global_importance(pd.concat([frame, frame.iloc[:1]]), KIND)
    with pytest.raises(ValueError, match="case_00001"):
        global_importance(frame, KIND, {"case_00000": "p"})


@pytest.mark.slow
def test_ten_thousand_cases_take_seconds():
    names = [f"c{i}" for i in range(17)]
    frame = table(np.random.default_rng(0).random((10_000, 17, 17)), names, names)
    start = time.process_time()
    global_importance(frame, KIND)
    assert time.process_time() - start < 60
