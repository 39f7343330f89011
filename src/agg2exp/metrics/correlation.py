"""Correlation coefficients, column by column."""

from __future__ import annotations

import torch
from torch import Tensor


def pearson(a: Tensor, b: Tensor) -> Tensor:
    """Σ (a - ā)(b - b̄) / (‖a - ā‖₂ ‖b - b̄‖₂) of two (N, …) tensors along N, (…) float64; NaN where one is constant."""
    x, y = a.double() - a.double().mean(dim=0), b.double() - b.double().mean(dim=0)
    norms = torch.linalg.vector_norm(x, dim=0) * torch.linalg.vector_norm(y, dim=0)
    r: Tensor = (x * y).sum(dim=0) / norms
    undefined: Tensor = constant(a) | constant(b)
    return r.clamp(-1, 1).masked_fill(undefined, torch.nan)


def spearman(a: Tensor, b: Tensor) -> Tensor:
    """Pearson correlation of the ranks of two (N,) or (N, K) tensors, () or (K,) float64; NaN where one is constant."""
    return pearson(ranks(a), ranks(b))


def ranks(values: Tensor) -> Tensor:
    """Rank 1..N of each value of (N,) or (N, K) along N, float64; equal values share the mean of their ranks."""
    if values.ndim > 1:
        return torch.stack([ranks(column) for column in values.unbind(dim=1)], dim=1)
    place, counts = torch.unique(values, return_inverse=True, return_counts=True)[1:]
    means: Tensor = counts.cumsum(0).double() - (counts - 1) / 2
    return means[place]


def constant(values: Tensor) -> Tensor:
    """Whether (N, …) values are all equal along N, up to the rounding of sums in float64; (…) bool."""
    equal: Tensor = values.amax(dim=0) - values.amin(dim=0) <= 1e-12 * values.abs().amax(dim=0)
    return equal
