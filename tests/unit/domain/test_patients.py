"""Which patient a case is of."""

import pytest

from agg2exp.domain.patients import patient_of


def test_each_case_is_a_patient_unless_they_are_known():
    assert patient_of(("b", "a"), None) == ["b", "a"]
    assert patient_of(("b", "a"), {"a": "p", "b": "p", "c": "q"}) == ["p", "p"]
    with pytest.raises(ValueError, match=r"patients: expected a patient for every case, got none for \['a'\]"):
        patient_of(("b", "a"), {"b": "p"})
