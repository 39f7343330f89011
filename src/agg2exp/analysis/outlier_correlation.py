"""Whether cases with abnormal RoI importances are segmented worse."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from agg2exp.analysis.adjustment import benjamini_hochberg
from agg2exp.analysis.dice import dice_by_class
from agg2exp.analysis.importances import Importances
from agg2exp.analysis.means import mean_by_patient, mean_ignoring_nan
from agg2exp.analysis.outliers import MEAN, normality, why_not_fitted
from agg2exp.domain.errors import DataError
from agg2exp.domain.patients import FEWEST_PATIENTS, patient_of
from agg2exp.domain.rounding import ROUNDING

FEWEST_FOR_STUDENT = 20
"""Patients, below which ρ √((n − 2) / (1 − ρ²)) does not follow Student's distribution closely enough."""


def dice_correlation(
    scored: Importances,
    reference: Importances,
    segmentation: pd.DataFrame,
    seeds: Sequence[int] = range(20),
    jobs: int = 1,
    patients: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Spearman's ρ between normality and Dice over patients, per class and for the means over classes (Table 2).

    ρ moves with the forests' seed, hence median and range over seeds; the p-value is the median too, and adjusted
    over all rows. With fewer than 20 patients it is that of permutations: all, from 8 patients on 9,999 of them; above,
    Student's approximation. Positive: abnormal patients are segmented worse. Normality and Dice of a class are averaged
    over the scans of a patient first; the means over classes are then over those that have both values.

    Args:
        scored: N cases, K targets.
        reference: Cases that the forests are fitted on; may be `scored` itself.
        segmentation: Columns case, class, dice.
        seeds: Of the forests.
        jobs: Processes that share the seeds; the result does not depend on it.
        patients: Patient of each case; without it each case is a patient.

    Returns:
        Columns target (the last: "mean over classes"), count (patients with both values), without_normality,
        without_dice (patients), seeds (how many), rho_median, rho_min, rho_max, p, excluded (why there is no ρ, else
        empty), p_adjusted (Benjamini–Hochberg).

    Raises:
        DataError: No Dice for any of the cases, or a case has no patient; see `why_not_fitted`, `dice_by_class`.
    """
    reasons = why_not_fitted(scored, reference)
    dice = dice_by_class(segmentation).reindex(index=list(scored.cases), columns=list(scored.targets)).to_numpy()
    if np.isnan(dice).all():
        raise DataError(
            f"segmentation: expected Dice of the {len(scored.cases)} cases scored ({scored.cases[0]}, …) and their "
            "targets, got none."
        )
    patient = patient_of(scored.cases, patients)
    of_seed = Parallel(n_jobs=jobs)(delayed(normality)(scored, reference, seed) for seed in seeds)
    _, dice = mean_by_patient(dice, patient)  # (P, K)
    repeats = np.stack([_with_mean(mean_by_patient(x, patient)[1], dice) for x in of_seed])  # (seeds, P, K + 1)
    dice = _with_mean(dice, repeats[0, :, :-1])
    rows, rows_are = [], "cases" if patients is None else "patients"
    for k, target in enumerate((*scored.targets, MEAN)):
        both = ~np.isnan(repeats[0, :, k]) & ~np.isnan(dice[:, k])
        excluded = reasons.get(target) or _why_not(repeats[:, both, k], dice[both, k], rows_are)
        rho, p = np.full(len(seeds), np.nan), np.full(len(seeds), np.nan)
        if not excluded:
            rho, p = spearman(repeats[:, both, k], dice[both, k])
        rows.append(
            {
                "target": target,
                "count": int(both.sum()),
                "without_normality": int(np.isnan(repeats[0, :, k]).sum()),
                "without_dice": int(np.isnan(dice[:, k]).sum()),
                "seeds": len(seeds),
                "rho_median": np.median(rho),
                "rho_min": rho.min(),
                "rho_max": rho.max(),
                "p": np.median(p),
                "excluded": excluded,
            }
        )
    table = pd.DataFrame(rows)
    return table.assign(p_adjusted=benjamini_hochberg(table["p"].to_numpy()))


def spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """ρ and p (two-sided) of each row of x (repeats, n) with y (n), of which none is constant."""
    rho, p = np.array([spearmanr(row, y) for row in x]).T
    return rho, p if len(y) >= FEWEST_FOR_STUDENT else _permuted(rankdata(x, axis=1), rankdata(y))


def _permuted(x: NDArray[np.float64], y: NDArray[np.float64], draws: int = 9999) -> NDArray[np.float64]:
    """Share of the orders of y (n) whose |Σ x y| is as large, for each row of x (repeats, n) about its mean."""
    g, n = np.random.default_rng(0), len(y)
    every = math.factorial(n) <= draws
    orders = np.array(list(permutations(y))) if every else g.permuted(np.tile(y, (draws, 1)), axis=1)
    x = x - x.mean(axis=1, keepdims=True)
    extreme = (np.abs(orders @ x.T) >= (1 - ROUNDING) * np.abs(x @ y) - ROUNDING).sum(axis=0)
    return np.asarray(extreme / len(orders) if every else (1 + extreme) / (1 + draws))


def _with_mean(values: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Append to (N, K) the mean over the classes that have a value in both."""
    return np.column_stack([values, mean_ignoring_nan(np.where(np.isnan(other), np.nan, values))])


def _why_not(repeats: NDArray[np.float64], dice: NDArray[np.float64], rows_are: str) -> str:
    """Why ρ of normality (seeds, n) and Dice (n) is not defined, or empty."""
    if len(dice) < FEWEST_PATIENTS:
        return f"{len(dice)} {rows_are} with Dice and normality, at least {FEWEST_PATIENTS} needed"
    if np.ptp(dice) <= ROUNDING:
        return f"Dice is the same in all {rows_are}"
    same = int((np.ptp(repeats, axis=1) <= ROUNDING).sum())
    return f"normality is the same in all {rows_are} with {same} of {len(repeats)} seeds" if same else ""
