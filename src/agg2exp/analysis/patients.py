"""Scans of one patient as one row: tests take their rows for independent, which such scans are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agg2exp.domain.errors import DataError


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


def mean_by_patient(values: NDArray[np.float64], patient: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Mean over the scans of each patient, ignoring NaN.

    Args:
        values: (N, …), a row per scan.
        patient: Of each scan (N).

    Returns:
        The patients, sorted (P); their means (P, …), NaN where no scan has a value.
    """
    index, names = pd.factorize(np.array(patient, dtype=object), sort=True)
    flat = pd.DataFrame(values.reshape(len(values), -1)).groupby(index).mean()
    return tuple(map(str, names)), flat.to_numpy().reshape(len(names), *values.shape[1:])
