"""Shapley values of evaluated coalitions, by weighted least squares."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from agg2exp.attribution.coalitions import Coalitions
from agg2exp.domain.errors import check_range


@dataclass(frozen=True, eq=False)
class ShapleyEstimate:
    """Shapley values of K games over the same coalitions.

    Args:
        values: φ, (K, S) float64.
        standard_errors: Of φ over the draw of coalitions, (K, S) float64. 0 if all coalitions were evaluated. NaN if
            `underdetermined`, if a ridge biases φ, or if leaving out one coalition (pair) would lose a direction of φ.
        rank: Rank of the design on {θ : Σθ = 0}, at most r - 1.
        underdetermined: rank < r - 1 without a ridge: φ is the solution closest to Δ/r among many.
    """

    values: Tensor
    standard_errors: Tensor
    rank: int
    underdetermined: bool


def shapley_values(coalitions: Coalitions, scores: Tensor, ridge: float = 0.0) -> ShapleyEstimate:
    """φ = argmin Σ_z w(z) (v(z) - v(∅) - z·φ)² / Σ_z w(z) + λ ‖φ - Δ/r‖² subject to Σφ = Δ = v(full) - v(∅).

    With w = μ/q and all coalitions this is the Shapley value (Lundberg & Lee 2017, Theorem 2); with a sample, its
    estimate. Write φ = Δ/r + θ with Σθ = 0. Then v(z) - v(∅) - z·φ = y(z) - x(z)·θ with

        x(z) = z - |z|/r,    y(z) = v(z) - v(∅) - Δ |z|/r,

    and as every row x(z) sums to zero, so does the minimum-norm least-squares θ: the constraint takes care of itself.
    A complement z̄ has x(z̄) = -x(z), so that a pair tells about θ only through (y(z) - y(z̄))/2 and is one row. (Hence
    interactions of two players, even in both halves, cancel: at full rank, pairs solve games of second order exactly.)

    With the singular value decomposition √w X = U s Vᵀ, common to all K games, θ = P √w y with P = V s/(s² + λ Σw) Uᵀ
    over s > s_max · max(rows, r) · ε; the rank counts these. The Gram matrix XᵀWX/Σw has all eigenvalues about
    1/(2 H), H = 1 + 1/2 + … + 1/(r-1), so that a ridge λ shrinks θ by about 1/(1 + 2λH).

    Standard errors are the sandwich clustered by pairs with the jackknife's correction for small samples (HC3):
    se_j² = Σ_i P_ji² (e_i / (1 - h_i))², e the residuals √w (y - x·θ), h_i = ‖U_i‖² the leverages. φ ± 1.96 se covers
    the exact value in 96 % of draws with 17 players and 200 samples, paired (seven kinds of games with interactions
    of higher order: 95.7 to 96.7 %), and in 95 % with 1000.

    Args:
        coalitions: N coalitions of S = r players.
        scores: v(z) of the K games, (N, K).
        ridge: λ >= 0.

    Raises:
        ValueError: Scores of another shape, or not finite (the message names the coalition).
        SettingError: ridge < 0.
    """
    check_range("ridge", ridge, 0)
    v = scores.to("cpu", torch.float64)
    _check(coalitions, v)
    z = coalitions.members.double()
    players = z.shape[1]
    delta = v[1] - v[0]
    size = z.mean(dim=1, keepdim=True)  # |z|/r
    x, y, w = (z - size)[2:], (v - v[0] - delta * size)[2:], coalitions.weights[2:, None]
    if coalitions.paired:
        x, y, w = x[::2], (y[::2] - y[1::2]) / 2, w[::2]
    x, y = w.sqrt() * x, w.sqrt() * y

    left, s, right = torch.linalg.svd(x, full_matrices=False)
    kept = s > s[:1] * max(x.shape) * torch.finfo(s.dtype).eps
    left, s, right = left[:, kept], s[kept], right[kept]
    projector = (right.T * (s / (s.square() + ridge * w.sum()))) @ left.T  # P, (S, rows)
    theta = projector @ y
    theta = theta - theta.mean(dim=0)  # Σθ = 0 to the last digit
    rank = len(s)
    underdetermined = rank < players - 1 and ridge == 0

    if coalitions.exhaustive and ridge == 0:
        errors = torch.zeros_like(theta)
    elif rank < players - 1 or ridge > 0:
        errors = torch.full_like(theta, torch.nan)
    else:
        errors = _sandwich(projector, y - x @ theta, left.square().sum(dim=1))
    return ShapleyEstimate((delta / players + theta).T, errors.T, rank, underdetermined)


def _sandwich(projector: Tensor, residuals: Tensor, leverages: Tensor) -> Tensor:
    """Standard errors, (S, K): NaN where a row is alone in its direction, for nothing then tells its error."""
    free = 1 - leverages
    if bool((free < 1e-9).any()):
        return torch.full((len(projector), residuals.shape[1]), torch.nan, dtype=residuals.dtype)
    return (projector.square() @ (residuals / free[:, None]).square()).sqrt()


def _check(coalitions: Coalitions, scores: Tensor) -> None:
    n = len(coalitions.members)
    if scores.ndim != 2 or len(scores) != n:
        raise ValueError(f"scores: expected shape ({n}, K), one row per coalition, got {tuple(scores.shape)}.")
    bad = (~scores.isfinite()).nonzero()
    if len(bad):
        row, game = bad[0].tolist()
        raise ValueError(
            f"scores: expected finite numbers, got {scores[row, game].item()} for coalition {row} "
            f"({int(coalitions.members[row].sum())} of {coalitions.members.shape[1]} players) and class column {game}; "
            f"{len(bad)} of {scores.numel()} scores are not finite."
        )
