"""Welch's t of two data sets against permutations and against a bootstrap of each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from agg2exp.aggregation.global_importance import DRAWS_AT_A_TIME

Sides = tuple[NDArray[np.float64], NDArray[np.float64]]
"""How often each patient counts in the first and in the second data set, (B, N) each."""


def p_values(
    x: NDArray[np.float64], in_second: NDArray[np.bool_], draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """The larger p-value of both tests for each column of x (N, E), ignoring NaN; see `compare`."""
    sides = np.stack([~in_second, in_second]).astype(np.float64)
    of_all = _centred(x)
    nearly = (1 - 1e-9) * _welch(of_all, *sides[:, None])  # the same division again is as extreme, whatever rounding
    within = np.where(
        in_second[:, None], *(_centred(np.where(side[:, None], x, np.nan)) for side in (in_second, ~in_second))
    )

    def permuted(n: int) -> Sides:
        second = rng.permuted(np.broadcast_to(sides[1], (n, len(x))), axis=1)
        return 1 - second, second

    def resampled(n: int) -> Sides:
        first, second = (_resampled(side, n, rng) for side in sides > 0)
        return first, second

    return np.maximum(*(_p(data, nearly, draw, draws) for data, draw in ((of_all, permuted), (within, resampled))))


def _centred(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """x minus its mean over the rows that have a value."""
    return np.asarray(x - np.nansum(x, axis=0) / (~np.isnan(x)).sum(axis=0))


def _resampled(of_side: NDArray[np.bool_], n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """How often each patient of a side is drawn with replacement (n, N); the others never."""
    patients = np.flatnonzero(of_side)
    drawn = patients[rng.integers(len(patients), size=(n, len(patients)))]
    return np.stack([np.bincount(row, minlength=len(of_side)) for row in drawn]).astype(np.float64)


def _welch(x: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """|t| (B, E) of x (N, E), ignoring NaN, for B ways to choose the patients of both sides, as weights (B, N)."""
    known, filled = (~np.isnan(x)).astype(np.float64), np.nan_to_num(x)
    means, variances = [], []
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw may leave a side without values
        for weights in (first, second):
            n = weights @ known
            means.append(weights @ filled / n)
            variances.append((weights @ filled**2 / n - means[-1] ** 2) / (n - 1))
        return np.asarray(np.abs(means[1] - means[0]) / np.sqrt(np.maximum(sum(variances), 0)))


def _p(
    x: NDArray[np.float64], observed: NDArray[np.float64], draw: Callable[[int], Sides], draws: int
) -> NDArray[np.float64]:
    """(1 + number of draws as extreme as observed) / (1 + draws); a draw that is not defined counts as extreme."""
    extreme = np.zeros(x.shape[1])
    for start in range(0, draws, DRAWS_AT_A_TIME):
        extreme += (~(_welch(x, *draw(min(DRAWS_AT_A_TIME, draws - start))) < observed)).sum(axis=0)
    return (1 + extreme) / (1 + draws)
