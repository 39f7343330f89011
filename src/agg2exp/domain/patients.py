"""Patients behind cases: statistics count them, since scans of one patient are not independent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agg2exp.domain.errors import DataError

FEWEST_PATIENTS = 5
"""With a value, below which nothing is tested and an interval says nothing."""


def patient_of(cases: Sequence[str], patients: Mapping[str, str] | None) -> list[str]:
    """Patient of each case; without `patients` each case is one.

    Raises:
        DataError: A case has no patient.
    """
    if patients is None:
        return list(cases)
    without = [case for case in cases if case not in patients]
    if without:
        raise DataError(f"patients: expected a patient for every case, got none for {without[:5]}.")
    return [patients[case] for case in cases]
