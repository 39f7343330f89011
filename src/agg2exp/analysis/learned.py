"""Which edges of the importance graph a network without training would not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t, wilcoxon

from agg2exp.analysis.adjustment import benjamini_hochberg
from agg2exp.analysis.edges import edges_beyond_distance
from agg2exp.analysis.importances import Importances
from agg2exp.domain.errors import DataError
from agg2exp.domain.patients import FEWEST_PATIENTS
from agg2exp.domain.rounding import ROUNDING

Statistic = tuple[Importances, Importances]
"""E and E₀ of the same cases and regions."""


def learned_edges(
    model: Statistic, twins: Sequence[Statistic], patients: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Compare E − E₀ of a model with that of its twins with random weights, for each edge b → a.

    An untrained network has edges beyond distance too, as its receptive field sees the shape of a class and not the
    distance to it alone. They are the same for all patients, so that more patients make them surer, not rarer. Hence
    two one-sided tests, p being the larger: Wilcoxon over patients of the model's E − E₀ minus the mean of the T twins'
    (is it so in patients?), and the model's mean over these patients within the spread of the twins' means,
    t = (m − m̄) / (s √(1 + 1/T)) with T − 1 degrees of freedom (is it more than networks differ by chance?). If the
    model were one more random network, the second would hold its level, up to normality, for any number of patients.

    Args:
        model: Of the network as trained.
        twins: The same, of two twins or more of the same cases.
        patients: Patient of each case; without it each case is a patient.

    Returns:
        What `edges_beyond_distance` does of the model, and the columns excess_twins (mean E − E₀ over twins and the
        patients compared), spread_twins (standard deviation of the twins' means), p_twins, excluded_twins (why there is
        none, else empty), p_twins_adjusted (Benjamini–Hochberg over the edges compared), p_learned (the larger of both
        adjusted p-values: at α, an edge exceeds its distance and its twins).

    Raises:
        DataError: Fewer than two twins, or of other cases or regions; see also `edges_beyond_distance`.
    """
    if len(twins) < 2:
        raise DataError(f"expected two twins or more, to know how much they differ, got {len(twins)}.")
    table = edges_beyond_distance(*model, patients)
    for twin in (importance for pair in twins for importance in pair):
        for what in ("cases", "targets", "sources"):
            if getattr(twin, what) != getattr(model[0], what):
                raise DataError(f"twins: expected the {what} of the model, got others.")
    excess = np.stack([_excess(pair, patients) for pair in (model, *twins)])  # (1 + T, N, K·R)
    tested = (table["excluded"] == "").to_numpy()
    rows = [_compared(of_edge, is_tested) for of_edge, is_tested in zip(excess.T, tested, strict=True)]
    table = pd.concat([table, pd.DataFrame(rows)], axis=1)
    table["p_twins_adjusted"] = benjamini_hochberg(table["p_twins"].to_numpy())
    return table.assign(p_learned=np.maximum(table["p_adjusted"], table["p_twins_adjusted"]))


def _excess(pair: Statistic, patients: Mapping[str, str] | None) -> NDArray[np.float64]:
    """E − E₀ (N, K·R) by patient."""
    importance, expected = (one.by_patient(patients).values for one in pair)
    return np.asarray((importance - expected).reshape(len(importance), -1))


def _compared(excess: NDArray[np.float64], is_tested: bool) -> dict[str, object]:
    """One edge; excess (N, 1 + T) of the model and its twins."""
    known = excess[~np.isnan(excess).any(axis=1)]
    p, excluded = np.nan, "" if is_tested else "not tested beyond distance"
    if is_tested and len(known) < FEWEST_PATIENTS:
        n = len(known)
        excluded = f"{n} patients with a value of the model and of all twins, at least {FEWEST_PATIENTS} needed"
    means = known.mean(axis=0) if len(known) else np.full(excess.shape[1], np.nan)
    spread = means[1:].std(ddof=1)
    if not excluded:
        above, n = known[:, 0] - known[:, 1:].mean(axis=1), len(means) - 1
        above[np.abs(above) <= ROUNDING] = 0
        in_patients = wilcoxon(above, alternative="greater").pvalue if above.any() else 1.0
        with np.errstate(divide="ignore"):
            distance = above.mean() / (spread * np.sqrt(1 + 1 / n)) if above.mean() > 0 else 0.0
        p = max(float(in_patients), float(t.sf(distance, n - 1)))
    return {"excess_twins": means[1:].mean(), "spread_twins": spread, "p_twins": p, "excluded_twins": excluded}
