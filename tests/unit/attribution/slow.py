"""Shapley values straight from their definition."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import torch
from torch import Tensor


def shapley_by_definition(game: Mapping[frozenset[int], Tensor], players: int) -> Tensor:
    """φ_j = Σ_{z ∌ j} |z|! (r - |z| - 1)! / r! · (v(z ∪ j) - v(z)), (K, S)."""
    phi = torch.zeros(len(game[frozenset()]), players, dtype=torch.float64)
    for j in range(players):
        others = [p for p in range(players) if p != j]
        for size in range(players):
            weight = math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)
            for z in itertools.combinations(others, size):
                phi[:, j] += weight * (game[frozenset({*z, j})] - game[frozenset(z)])
    return phi
