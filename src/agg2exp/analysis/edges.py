"""Which edges of the importance graph distance alone does not explain; for what was learned see `learned`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from agg2exp.analysis.adjustment import benjamini_hochberg
from agg2exp.analysis.importances import Importances
from agg2exp.domain.errors import DataError
from agg2exp.domain.patients import FEWEST_PATIENTS
from agg2exp.domain.roi_importance import Kind


def edges_beyond_distance(
    importance: Importances, expected: Importances, patients: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Wilcoxon signed-rank test over patients of E[a, b] − E₀[a, b], for each edge b → a.

    E₀ is the importance that b would have if attribution depended on the distance to a alone. The test is
    one-sided: is E greater? A region that gets less than its distance would give is no reason to draw an edge.
    Patients in whom E = E₀ (both are 0 where the source is absent) say nothing and are left out. The scans of
    a patient are averaged first.

    Args:
        importance: Of kind `importance`.
        expected: Of kind `expected_by_distance`, the same cases and regions.
        patients: Patient of each case; without it each case is a patient.

    Returns:
        One row per (target, source): columns target, source, importance and expected (means over the patients that
        have both), excess (mean of E − E₀), count (patients tested), equal (patients with E = E₀), effect
        (matched-pairs rank-biserial correlation: (sum of positive ranks − sum of negative ranks) / sum, −1 to 1),
        p, excluded (why there is no p, else empty: a class for itself; background as source, whose E counts the
        air around the body and whose E₀ does not; fewer than 5 patients), p_adjusted (Benjamini–Hochberg over the
        edges tested).

    Raises:
        DataError: The two are not of these kinds or not of the same cases and regions, or no E₀ was stored.
    """
    kinds = (importance.kind, expected.kind)
    if kinds != (Kind.IMPORTANCE, Kind.EXPECTED_BY_DISTANCE):
        raise DataError(
            f"expected kinds importance and expected_by_distance, got {kinds[0].value} and {kinds[1].value}."
        )
    for what in ("cases", "targets", "sources", "classes"):
        if getattr(importance, what) != getattr(expected, what):
            raise DataError(f"importance and expected_by_distance: expected the same {what}, got different ones.")
    if np.isnan(expected.values).all():
        raise DataError(
            "expected_by_distance: expected values, got none. Explain again with the expectation by distance "
            "switched on."
        )
    importance, expected = importance.by_patient(patients), expected.by_patient(patients)
    rows = []
    for k, target in enumerate(importance.targets):
        for r, source in enumerate(importance.sources):
            e, e0 = importance.values[:, k, r], expected.values[:, k, r]
            both = ~(np.isnan(e) | np.isnan(e0))
            excluded = ""
            if source == target:
                excluded = "the importance of a class for itself is no matter of distance"
            elif source == importance.classes[0]:
                excluded = "background includes the air around the body, its expectation does not"
            rows.append({"target": target, "source": source, **_test(e[both], e0[both], excluded)})
    table = pd.DataFrame(rows)
    return table.assign(p_adjusted=benjamini_hochberg(table["p"].to_numpy()))


def _test(e: NDArray[np.float64], e0: NDArray[np.float64], excluded: str) -> dict[str, object]:
    """Means, count, effect and p-value of one edge."""
    difference = e - e0
    unlike = difference[difference != 0]
    effect, p = np.nan, np.nan
    if not excluded and len(unlike) < FEWEST_PATIENTS:
        excluded = f"{len(unlike)} patients with E ≠ E₀, at least {FEWEST_PATIENTS} needed"
    if not excluded:
        test = wilcoxon(unlike, alternative="greater")
        all_ranks = len(unlike) * (len(unlike) + 1) / 2
        effect, p = 2 * float(test.statistic) / all_ranks - 1, float(test.pvalue)
    known = len(difference) > 0
    return {
        "importance": e.mean() if known else np.nan,
        "expected": e0.mean() if known else np.nan,
        "excess": difference.mean() if known else np.nan,
        "count": len(unlike),
        "equal": len(difference) - len(unlike),
        "effect": effect,
        "p": p,
        "excluded": excluded,
    }
