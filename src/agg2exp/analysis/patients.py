"""Scans of one patient as one row: tests take their rows for independent, which such scans are not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray


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
