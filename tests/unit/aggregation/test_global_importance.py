import time

import numpy as np
import pandas as pd
import pytest

from agg2exp.aggregation.global_importance import global_importance
from agg2exp.domain.roi_importance import Kind

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
    x = g.gamma(2.0, size=(n, 2, 3))
    x[g.random(x.shape) < missing] = np.nan
    return x


def brute_force(x, patient, draws, seed):
    """Percentile bootstrap by listing the scans of each drawn patient, with the same draws."""
    g = np.random.default_rng(seed)
    ids = sorted(set(patient))
    scans = [[i for i, p in enumerate(patient) if p == name] for name in ids]
    means = []
    for _ in range(draws):
        rows = [i for p in g.integers(len(ids), size=len(ids)) for i in scans[p]]
        with np.errstate(invalid="ignore"):
            means.append(np.nansum(x[rows], axis=0) / (~np.isnan(x[rows])).sum(axis=0))
    return np.nanpercentile(means, [2.5, 97.5], axis=0)


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
    x = np.random.default_rng(0).normal(size=(15, 2, 3))
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


def test_interval_covers_the_mean():
    g = np.random.default_rng(0)
    truth, covered = 3.0, []
    for seed in range(30):
        result = global_importance(
            table(g.normal(truth, 1, size=(60, 4, 5)), list("abcd"), list("vwxyz")), KIND, draws=400, seed=seed
        )
        covered.append((result.low <= truth) & (truth <= result.high))
    assert 0.91 < np.mean(covered) < 0.97  # 600 intervals: standard error 0.009


def test_constant_has_no_width_whatever_its_size():
    result = global_importance(table(np.full((10, 2, 3), 1e9)), KIND)
    np.testing.assert_array_equal(result.low, 1e9)
    np.testing.assert_array_equal(result.high, 1e9)
    np.testing.assert_array_equal(result.std, 0)


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
