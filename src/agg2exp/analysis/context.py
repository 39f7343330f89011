"""How much of a class's attribution lies within the class, and how that varies between patients."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agg2exp.analysis.importances import Importances
from agg2exp.domain.errors import DataError

WHISKER_REACH = 1.5  # whiskers end at the last value within so many interquartile ranges of the box (Tukey)


def context(data_sets: Mapping[str, Importances]) -> pd.DataFrame:
    """Self-importance E_x[c, c] of every case, and context = 1 − E_x[c, c], the share of other regions (Fig. 6).

    Args:
        data_sets: Of kind `importance`.

    Returns:
        Columns data_set, target, case, self_importance, context; NaN where a case lacks the class.

    Raises:
        DataError: A target is no source.
    """
    frames = []
    for name, data in data_sets.items():
        without = [target for target in data.targets if target not in data.sources]
        if without:
            raise DataError(f"{name}: expected every target among the sources, got none for {without}.")
        self_sources = [data.sources.index(target) for target in data.targets]
        diagonal = data.values[:, np.arange(len(self_sources)), self_sources].T
        frames.append(
            pd.DataFrame(
                {
                    "data_set": name,
                    "target": np.repeat(data.targets, len(data.cases)),
                    "case": np.tile(data.cases, len(data.targets)),
                    "self_importance": diagonal.ravel(),
                    "context": 1 - diagonal.ravel(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def box_summary(importances: Importances) -> pd.DataFrame:
    """What a box plot over cases shows of each E[a, b] (Fig. 3, 13).

    Returns:
        Columns target, source, count, missing (cases without a value), mean, whisker_low, q1, median, q3, whisker_high
        (whiskers at the last values within 1.5 interquartile ranges of the box), outliers (cases beyond them).
    """
    x = importances.values
    box, beyond = tukey_boxes(x)
    known = ~np.isnan(x)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore"):
        mean = np.nansum(x, axis=0) / count
    columns = {"count": count, "missing": len(x) - count, "mean": mean, **box, "outliers": beyond.sum(axis=0)}
    index = pd.MultiIndex.from_product([importances.targets, importances.sources], names=["target", "source"])
    return pd.DataFrame({name: values.ravel() for name, values in columns.items()}, index=index).reset_index()


def box_outliers(importances: Importances) -> pd.DataFrame:
    """The cases beyond the whiskers, the dots of the box plot: columns target, source, case, value."""
    _, beyond = tukey_boxes(importances.values)
    k, r, n = np.nonzero(beyond.transpose(1, 2, 0))
    return pd.DataFrame(
        {
            "target": np.array(importances.targets)[k],
            "source": np.array(importances.sources)[r],
            "case": np.array(importances.cases)[n],
            "value": importances.values[n, k, r],
        }
    )


def tukey_boxes(x: NDArray[np.float64]) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.bool_]]:
    """Box and whiskers (…) of x (N, …) ignoring NaN, and which values lie beyond the whiskers (N, …)."""
    quartiles = np.full((3, *x.shape[1:]), np.nan)
    some = ~np.isnan(x).all(axis=0)
    quartiles[:, some] = np.nanpercentile(x[:, some], [25, 50, 75], axis=0)
    reach = WHISKER_REACH * (quartiles[2] - quartiles[0])
    beyond = (x < quartiles[0] - reach) | (x > quartiles[2] + reach)
    inside = np.where(beyond | np.isnan(x), np.nan, x)
    low, high = np.full(some.shape, np.nan), np.full(some.shape, np.nan)
    low[some], high[some] = np.nanmin(inside[:, some], axis=0), np.nanmax(inside[:, some], axis=0)
    return {
        "whisker_low": low,
        "q1": quartiles[0],
        "median": quartiles[1],
        "q3": quartiles[2],
        "whisker_high": high,
    }, beyond
