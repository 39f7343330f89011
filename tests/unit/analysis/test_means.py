import numpy as np
import pytest

from agg2exp.analysis.means import mean_by_patient


def test_mean_over_scans_equals_the_slow_version():
    values = np.random.default_rng(0).random((7, 2, 3))
    values[1, 0, 2], values[[0, 4], 1, 1] = np.nan, np.nan
    patient = ["q", "p", "p", "r", "q", "p", "r"]
    names, means = mean_by_patient(values, patient)
    assert names == ("p", "q", "r")
    for p, name in enumerate(names):
        for place in np.ndindex(2, 3):
            known = [x[place] for x, own in zip(values, patient, strict=True) if own == name and x[place] == x[place]]
            assert means[p][place] == pytest.approx(sum(known) / len(known) if known else np.nan, nan_ok=True)
    assert np.isnan(means[1, 1, 1]) and np.isnan(means).sum() == 1
