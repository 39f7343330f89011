"""Whether attribution methods tell the same story."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from agg2exp.domain.errors import DataError
from agg2exp.domain.patients import FEWEST_PATIENTS
from agg2exp.domain.roi_importance import GlobalImportance


def agreement(matrices: Mapping[str, GlobalImportance]) -> pd.DataFrame:
    """Spearman's ρ between the entries of global matrices, for each pair of attribution methods or runs.

    The diagonal is large in any method that looks where the class is, so ρ is also given without it. No p-value:
    the entries of a matrix depend on each other.

    Args:
        matrices: For each method its global importance, all of one kind; two or more.

    Returns:
        Columns first, second, entries ("all" or "off-diagonal"), count (entries that have a value in both), left_out
        (entries of either matrix that have not), rho, excluded (why there is no ρ, else empty).

    Raises:
        DataError: Fewer than two matrices, or of different kinds.
    """
    kinds = sorted({matrix.kind.value for matrix in matrices.values()})
    if len(matrices) < 2 or len(kinds) > 1:
        raise DataError(f"expected two global importances or more, of one kind; got {list(matrices)} of kinds {kinds}.")
    series = {
        name: pd.Series(m.mean.ravel(), pd.MultiIndex.from_product([m.targets, m.sources], names=["target", "source"]))
        for name, m in matrices.items()
    }
    rows = []
    for first, second in combinations(series, 2):
        pair = pd.concat([series[first], series[second]], axis=1, sort=False)
        off_diagonal = pair.index.get_level_values("target") != pair.index.get_level_values("source")
        for entries, of_pair in (("all", pair), ("off-diagonal", pair[off_diagonal])):
            x = of_pair.dropna().to_numpy().T
            excluded = ""
            if x.shape[1] < FEWEST_PATIENTS:
                excluded = f"{x.shape[1]} entries with a value in both, at least {FEWEST_PATIENTS} needed"
            elif (np.ptp(x, axis=1) == 0).any():
                excluded = "the entries of a matrix are all the same"
            rows.append(
                {
                    "first": first,
                    "second": second,
                    "entries": entries,
                    "count": x.shape[1],
                    "left_out": len(of_pair) - x.shape[1],
                    "rho": np.nan if excluded else float(spearmanr(*x).statistic),
                    "excluded": excluded,
                }
            )
    return pd.DataFrame(rows)
