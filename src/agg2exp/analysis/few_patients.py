"""What the means of two data sets allow to be said of a few patients with skewed values (experiments/statistics)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import skew, t

from agg2exp.domain.rounding import ROUNDING

FEWEST_UNEVEN = 10  # patients with a value, below which no test against more than twice as many holds its level
COCHRAN = 25  # patients needed for a mean, by the square of the skewness of their values


def least_p(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """2 P(T_ν > |t| q_ν / q_df), ν = √min(n₁, n₂): the least p-value of a difference of means that few patients allow.

    t and df are Welch's, q the 97.5th percentiles of Student's distribution: at 0.05 it is Welch's test, further out it
    is more reluctant. A few patients may all lie in the bulk of a skewed distribution, so that their mean and their
    spread are both too small and |t| is large: no reference that is made of the values themselves, be it permuted or
    resampled, knows of the tail that they lack. √n was measured, for the exponential distribution.

    Args:
        first: (n₁, E) values; NaN where a patient has none. Each column has two or more, not all the same.
        second: (n₂, E).
    """
    sides = first, second
    n = np.array([(~np.isnan(side)).sum(axis=0) for side in sides])
    squares = np.array([np.nanvar(side, axis=0, ddof=1) for side in sides]) / n
    with np.errstate(invalid="ignore", divide="ignore"):  # both sides constant: t is infinite, whatever df
        welch = np.abs(np.nanmean(first, axis=0) - np.nanmean(second, axis=0)) / np.sqrt(squares.sum(axis=0))
        df = np.nan_to_num(squares.sum(axis=0) ** 2 / (squares**2 / (n - 1)).sum(axis=0), nan=1.0)
    few = np.sqrt(n.min(axis=0))
    return np.asarray(2 * t.sf(welch * t.isf(0.025, few) / t.isf(0.025, df), few))


def why_uneven(counts: Sequence[int] | NDArray[np.int64], smaller: NDArray[np.float64]) -> str:
    """Why values of the smaller data set are not compared with those of more than twice as many patients, else empty.

    The tail of the smaller one then decides alone. It needs 10 patients, and n ≥ 25 g², the rule of Cochran (1977,
    section 2.15) for the mean of values of skewness g.

    Args:
        counts: Patients with a value in the first and in the second data set.
        smaller: The values of the smaller one, without NaN.
    """
    if max(counts) <= 2 * min(counts):
        return ""
    least = FEWEST_UNEVEN
    why = ""
    if len(smaller) >= FEWEST_UNEVEN and np.ptp(smaller) > ROUNDING * np.abs(smaller).max():
        g = float(skew(smaller, bias=False))
        least, why = max(FEWEST_UNEVEN, math.ceil(COCHRAN * g**2)), f" for a skewness of {g:.1f}"
    if len(smaller) >= least:
        return ""
    return f"{counts[0]} patients against {counts[1]}: if spreads differ, so uneven a test needs {least} or more{why}"
