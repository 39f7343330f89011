"""Adjustment of p-values for many tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control


def benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """q_(i) = min_{j ≥ i} p_(j) · m / j over the m tests that have a p-value; NaN stays NaN.

    Calling q ≤ α a finding keeps the expected share of false findings at most α (Benjamini and Hochberg, 1995).
    """
    q = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        q[tested] = false_discovery_control(p[tested], method="bh")
    return q
