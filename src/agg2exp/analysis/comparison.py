"""Where two data sets differ in global RoI importance."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from agg2exp.analysis.adjustment import benjamini_hochberg
from agg2exp.analysis.few_patients import least_p, why_uneven
from agg2exp.analysis.importances import Importances, check_same_classes
from agg2exp.analysis.welch import p_values
from agg2exp.domain.errors import DataError
from agg2exp.domain.patients import FEWEST_PATIENTS


def compare(first: Importances, second: Importances, draws: int = 9999, seed: int = 0) -> pd.DataFrame:
    """Test of the difference of the means of both data sets, for each entry E[a, b] (two-sided).

    The statistic is Welch's t = (m₂ − m₁) / √(s₁²/n₁ + s₂²/n₂), compared with two references. Permutations, in which
    whole patients change sides, are exact where the data sets differ in nothing. Where they differ in spread, the
    tails of t are those of the smaller one and longer than permutations tell: hence the bootstrap of each data set
    about its own mean (Efron and Tibshirani, 1993, algorithm 16.2). p is the larger of both, (1 + number of draws with
    |t*| ≥ |t|) / (1 + draws); for one entry alone to survive the adjustment over 17 × 17, p must get below 0.05 / 289,
    hence the number of draws.

    So far out, neither reference holds where values are skewed: p is at least `least_p`, and `why_uneven` tells which
    entries are not tested.

    The effect size is Cliff's δ = P(second > first) − P(second < first) over pairs of patients: −1 to 1, with no
    assumption on the form of the distributions, which are skewed and bounded.

    Args:
        first: N₁ patients (see `Importances.by_patient` where a patient has several scans).
        second: N₂ other patients.
        draws: Permutations, and as many of the bootstrap.
        seed: Of the draws.

    Returns:
        One row per (target, source) of either data set: columns target, source, mean_first, mean_second, difference
        (second − first), count_first, count_second (patients with a value), cliffs_delta, p,
        excluded (why there is no p, else empty: a class or extra mask that one data set does not have, fewer than
        5 patients, too few or too skewed values against more than twice as many, no variation), p_adjusted
        (Benjamini–Hochberg over the entries tested).

    Raises:
        DataError: Classes or kinds differ, or a patient is in both.
    """
    check_same_classes(first, second)
    both = sorted({*first.cases} & {*second.cases})
    if both:
        raise DataError(
            f"expected two data sets of different patients, got {both[:5]} in both. This test is not for two "
            "explanations of the same cases."
        )
    targets = tuple(dict.fromkeys([*first.targets, *second.targets]))
    sources = tuple(dict.fromkeys([*first.sources, *second.sources]))
    x = np.concatenate([_entries(data, targets, sources) for data in (first, second)])  # (N₁ + N₂, K·R)
    in_second = np.arange(len(x)) >= len(first.cases)
    counts, means = _counts_and_means(x, in_second)
    excluded = _why_not(x, counts, in_second, list(pd.MultiIndex.from_product([targets, sources])), (first, second))
    tested = excluded == ""
    p, delta = np.full(len(tested), np.nan), np.full(len(tested), np.nan)
    if tested.any():
        drawn = p_values(x[:, tested], in_second, draws, np.random.default_rng(seed))
        p[tested] = np.maximum(drawn, least_p(x[~in_second][:, tested], x[in_second][:, tested]))
        delta[tested] = cliffs_delta(x[:, tested], in_second)
    return pd.DataFrame(
        {
            "target": np.repeat(targets, len(sources)),
            "source": np.tile(sources, len(targets)),
            "mean_first": means[0],
            "mean_second": means[1],
            "difference": means[1] - means[0],
            "count_first": counts[0],
            "count_second": counts[1],
            "cliffs_delta": delta,
            "p": p,
            "excluded": excluded,
            "p_adjusted": benjamini_hochberg(p),
        }
    )


def cliffs_delta(x: NDArray[np.float64], in_second: NDArray[np.bool_]) -> NDArray[np.float64]:
    """δ of each column of x (N, E) from its ranks, ignoring NaN: 2 (R₂ − n₂ (n₂ + 1) / 2) / (n₁ n₂) − 1."""
    ranks = rankdata(x, axis=0, nan_policy="omit")
    known = ~np.isnan(x)
    n_first, n_second = known[~in_second].sum(axis=0), known[in_second].sum(axis=0)
    greater = np.nansum(ranks[in_second], axis=0) - n_second * (n_second + 1) / 2
    delta: NDArray[np.float64] = 2 * greater / (n_first * n_second) - 1
    return delta


def _entries(data: Importances, targets: tuple[str, ...], sources: tuple[str, ...]) -> NDArray[np.float64]:
    """(N, K·R) values in the order of `targets` and `sources`, NaN where the data set has no such entry."""
    result = np.full((len(data.cases), len(targets), len(sources)), np.nan)
    rows, columns = [targets.index(name) for name in data.targets], [sources.index(name) for name in data.sources]
    result[:, np.array(rows)[:, None], columns] = data.values
    return result.reshape(len(data.cases), -1)


def _counts_and_means(
    x: NDArray[np.float64], in_second: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Patients with a value (2, E) and their mean (2, E) in both data sets."""
    sides = (x[~in_second], x[in_second])
    counts = np.stack([(~np.isnan(side)).sum(axis=0) for side in sides])
    with np.errstate(invalid="ignore"):
        return counts, np.stack([np.nansum(side, axis=0) for side in sides]) / counts


def _why_not(
    x: NDArray[np.float64],
    counts: NDArray[np.int64],
    in_second: NDArray[np.bool_],
    entries: list[tuple[str, str]],
    data: tuple[Importances, Importances],
) -> NDArray[np.str_]:
    """Why an entry is not tested (E), else empty."""
    words = ("first", "second")
    reasons = []
    for (target, source), n, values in zip(entries, counts.T, x.T, strict=True):
        missing = [
            f"the {word} data set has no {role} {name}"
            for side, word in zip(data, words, strict=True)
            for role, name, names in (("target", target, side.targets), ("source", source, side.sources))
            if name not in names
        ]
        few = [f"{m} patients in the {word} data set" for m, word in zip(n, words, strict=True) if m < FEWEST_PATIENTS]
        if missing:
            reasons.append(", ".join(missing))
        elif few:
            reasons.append(f"{' and '.join(few)}, at least {FEWEST_PATIENTS} needed")
        elif np.nanmin(values) == np.nanmax(values):
            reasons.append("the same value in all patients")
        else:
            smaller = values[in_second == (n[1] < n[0])]
            reasons.append(why_uneven(n, smaller[~np.isnan(smaller)]))
    return np.array(reasons)
