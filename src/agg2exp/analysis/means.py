"""Means over what has a value, and over the scans of a patient."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def mean_ignoring_nan(values: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Mean over an axis ignoring NaN; NaN where all are."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        mean: NDArray[np.float64] = np.nanmean(values, axis=axis)
    return mean


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
