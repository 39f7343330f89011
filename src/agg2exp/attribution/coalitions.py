"""Which coalitions of players KernelSHAP evaluates, and their weights in the regression."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from agg2exp.domain.errors import check_range


@dataclass(frozen=True, eq=False)
class Coalitions:
    """N coalitions z of S players.

    Args:
        members: z, (N, S) bool. Row 0 is the empty coalition, row 1 the full one, then those sampled or enumerated.
        weights: Regression weight μ(z)/q(z), (N,) float64: the Shapley kernel over the probability of drawing z.
            1 for a coalition drawn from the kernel, μ(z) for an enumerated one, and ∞ = μ(∅) = μ(full) for rows 0 and
            1, which the regression meets exactly.
        exhaustive: Every coalition is there, once.
        paired: From row 2 on, rows 2i and 2i + 1 are complements of each other.
    """

    members: Tensor
    weights: Tensor
    exhaustive: bool
    paired: bool


def shapley_coalitions(n_players: int, n_samples: int, generator: torch.Generator, paired: bool = True) -> Coalitions:
    """Coalitions for Shapley values by regression (Lundberg & Lee 2017; paired: Covert & Lee 2021).

    The Shapley kernel gives a coalition of size s, 0 < s < r, the weight μ(z) = (r - 1) / (C(r, s) s (r - s)). If
    2^r <= n_samples all coalitions are enumerated. Otherwise they are drawn independently, with replacement, from
    q ∝ μ: a size s with probability ∝ 1 / (s (r - s)), then a uniform subset of that size.

    Args:
        n_players: r = S.
        n_samples: Number of coalitions to evaluate, the empty and the full one included; never exceeded.
        generator: CPU generator of the draws; not used when all coalitions are enumerated.
        paired: Draw z together with its complement. An odd number left over then means one evaluation fewer.

    Raises:
        SettingError: n_players < 1 or n_samples < 2.
    """
    check_range("n_players", n_players, 1, integer=True)
    check_range("n_samples", n_samples, 2, integer=True)
    if n_samples >= 2**n_players:
        half = _enumerated_half(n_players)
        exhaustive, paired = True, True
    else:
        half = _drawn((n_samples - 2) // (2 if paired else 1), n_players, generator)
        exhaustive = False
    rest = torch.stack([half, ~half], dim=1).flatten(0, 1) if paired else half
    ends = torch.stack([torch.zeros(n_players, dtype=torch.bool), torch.ones(n_players, dtype=torch.bool)])
    weights = shapley_kernel(n_players)[rest.sum(dim=1)] if exhaustive else torch.ones(len(rest), dtype=torch.float64)
    infinite = torch.full((2,), torch.inf, dtype=torch.float64)
    return Coalitions(torch.cat([ends, rest]), torch.cat([infinite, weights]), exhaustive, paired)


def shapley_kernel(n_players: int) -> Tensor:
    """μ(z) by size s = |z| = 0..r, (r + 1,) float64: (r - 1) / (C(r, s) s (r - s)), ∞ at both ends."""
    r = n_players
    inner = [(r - 1) / (math.comb(r, s) * s * (r - s)) for s in range(1, r)]
    return torch.tensor([math.inf, *inner, math.inf], dtype=torch.float64)


def _enumerated_half(n_players: int) -> Tensor:
    """One of each pair of complements, (2^(r-1) - 1, S) bool: those without the last player, in binary order."""
    numbers = torch.arange(1, 2 ** (n_players - 1))
    return (numbers[:, None] >> torch.arange(n_players)) % 2 == 1


def _drawn(n: int, n_players: int, generator: torch.Generator) -> Tensor:
    """n coalitions from q ∝ μ, (n, S) bool."""
    sizes = torch.arange(1, n_players, dtype=torch.float64)
    if n == 0:
        return torch.zeros(0, n_players, dtype=torch.bool)
    drawn = 1 + torch.multinomial(1 / (sizes * (n_players - sizes)), n, replacement=True, generator=generator)
    order = torch.rand(n, n_players, dtype=torch.float64, generator=generator).argsort(dim=1)
    first = torch.arange(n_players) < drawn[:, None]
    return torch.zeros(n, n_players, dtype=torch.bool).scatter_(1, order, first)
