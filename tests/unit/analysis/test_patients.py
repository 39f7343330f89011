import numpy as np
import pytest

from agg2exp.analysis.patients import mean_by_patient, patient_of


def test_each_case_is_a_patient_unless_they_are_known():
    assert patient_of(("b", "a"), None) == ["b", "a"]
    assert patient_of(("b", "a"), {"a": "p", "b": "p", "c": "q"}) == ["p", "p"]
    with pytest.raises(ValueError, match=r"patients: expected a patient for every case, got none for \['a'\]"):
        patient_of(("b", "a"), {"b": "p"})


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
