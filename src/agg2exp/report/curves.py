"""Curves of evaluation metrics over cases and classes."""

from __future__ import annotations

import numpy as np
import pandas as pd

SHARES = np.linspace(0, 1, 101)


def mean_curves(points: pd.DataFrame) -> pd.DataFrame:
    """Mean and quartiles over cases and classes of every curve, between its points along straight lines.

    Args:
        points: data, method, case, target, name, x (from 0 to 1), y; a curve with a NaN is not defined.

    Returns:
        data, method, name, x (0, 0.01, …, 1), mean, q1, q3, count (curves), undefined (curves that are left out).
    """
    parts = []
    for (data, method, name), of_method in points.groupby(["data", "method", "name"], sort=False):
        curves = np.stack([np.interp(SHARES, c["x"], c["y"]) for _, c in of_method.groupby(["case", "target"])])
        known = curves[~np.isnan(curves).any(axis=1)]
        mean, q1, q3 = np.full((3, len(SHARES)), np.nan)
        if len(known):
            mean, (q1, q3) = known.mean(axis=0), np.percentile(known, [25, 75], axis=0)
        counts = {"count": len(known), "undefined": len(curves) - len(known)}
        parts.append(pd.DataFrame({"data": data, "method": method, "name": name, "x": SHARES,
                                   "mean": mean, "q1": q1, "q3": q3, **counts}))  # fmt: skip
    return pd.concat(parts, ignore_index=True)
