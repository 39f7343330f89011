"""Welch's t among its values for other choices of the smaller group."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 9999


def permuted_welch(first: NDArray[np.float64], second: NDArray[np.float64], seed: int = 0) -> tuple[str, float]:
    """Name and two-sided p of Welch's t among its values for other choices of as many numbers as the smaller group has.

    All choices where there are at most 9999, else as many drawn; then p = (1 + as extreme) / (1 + drawn). Both keep the
    level where the groups have one distribution, of whatever form, which Student's distribution does not for few.
    """
    few, many = sorted((first, second), key=len)
    x = np.concatenate([few, many]) - np.concatenate([few, many]).mean()
    k, n = len(few), len(x)
    exact = comb(n, k) <= RESAMPLES
    if exact:
        chosen = np.array(list(combinations(range(n), k)))
    else:
        rng = np.random.default_rng(seed)
        chosen = np.stack([rng.choice(n, k, replace=False, shuffle=False) for _ in range(RESAMPLES)])
    t = _absolute_t(x, np.vstack([np.arange(k), chosen]))
    extreme = int((~(t[1:] < (1 - 1e-9) * t[0])).sum())  # not defined counts as extreme
    if exact:
        return "Welch's t (all permutations)", extreme / len(chosen)
    return "Welch's t (drawn permutations)", (1 + extreme) / (1 + len(chosen))


def _absolute_t(x: NDArray[np.float64], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """|Welch's t| (B) of x (N), with mean 0, for B choices of the k that are one group (B, k)."""
    k, rest = chosen.shape[1], len(x) - chosen.shape[1]
    total, squares = x[chosen].sum(axis=1), (x[chosen] ** 2).sum(axis=1)
    of_rest = (x**2).sum() - squares
    variance = (squares / k - (total / k) ** 2) / (k - 1) + (of_rest / rest - (total / rest) ** 2) / (rest - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.abs(total / k + total / rest) / np.sqrt(np.maximum(variance, 0)))
