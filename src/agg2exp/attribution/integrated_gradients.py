"""Integrated gradients."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from agg2exp.attribution.base import Attributor
from agg2exp.baselines import Baseline, as_baseline
from agg2exp.domain.attribution import DenseAttribution
from agg2exp.domain.class_scores import Scores
from agg2exp.domain.errors import check_choice, check_range
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import WindowedModel

log = logging.getLogger(__name__)

RULES = ("right", "midpoint", "trapezoid", "gauss_legendre")
LARGEST_GAP = 0.1  # beyond which an attribution is no longer called complete


@dataclass(frozen=True)
class IntegratedGradients(Attributor):
    """e_c = (x - x′) ⊙ Σ_{i=1..n} w_i ∇f̂_c(x′ + α_i (x - x′)) (Sundararajan et al. 2017).

    The rule `right`, w_i = 1/n and α_i = i/n, is Eq. 5. As n grows, Σe_c tends to Δ_c = f̂_c(x) - f̂_c(x′) for a fixed
    mask; how far it is from that, |Σe_c - Δ_c| / |Δ_c|, is the note `completeness_gap`. A gap above 0.1 is warned of.
    With masks that are recomputed, f̂_c moves with the image and jumps, and the gap says how much the gradients miss.

    A network with InstanceNorm sees no contrast in a constant image: from a constant x′ on, the score changes all in
    the first hundredths of the path, where gradients explode, and the gap stays large whatever n (0.2 to 0.6 with 200
    steps for a U-Net). A baseline of noise or a blurred one has no such place (below 0.05 with 20 steps). `trapezoid`
    is the only rule that evaluates x′ itself.

    An image that equals its baseline gets zeros.

    Attributes:
        n_steps: n, the number of gradients.
        rule: How the integral over the path becomes a sum, see `quadrature`.
        baselines: x′; a volume (C, D, H, W) or a number will do.

    Raises:
        SettingError: n_steps < 1 (`trapezoid`: < 2), or another value is not allowed. In `compute`: a baseline that was
            given as a volume has another shape than the image.
    """

    name: ClassVar[str] = "integrated_gradients"

    n_steps: int = 20
    rule: str = "right"
    baselines: Baseline | Tensor | float = 0.0

    def __post_init__(self) -> None:
        check_choice("rule", self.rule, RULES)
        check_range("n_steps", self.n_steps, 2 if self.rule == "trapezoid" else 1, integer=True)
        object.__setattr__(self, "baselines", as_baseline(self.baselines))

    def compute(self, model: WindowedModel, image: Tensor, scores: Scores, rng: KeyedRng) -> DenseAttribution:
        """(K, C, D, H, W): n + 2 forwards per window and n backwards per (window, class).

        Steps of the same window share a batch, so that a volume of one window fills it too.
        """
        baseline = as_baseline(self.baselines)(image, rng)
        positions, weights = quadrature(self.rule, self.n_steps)
        total = model.zeros(image, scores)
        for start in range(0, self.n_steps, model.windows.batch):
            part = slice(start, start + model.windows.batch)
            points = torch.stack([torch.lerp(baseline, image, position) for position in positions[part]])
            model.gradient(points, scores, out=total, weights=weights[part])
        total.mul_((image - baseline).to(total.device))
        ends = model.scores(torch.stack([baseline, image]), scores).cpu()
        gap = completeness_gap(total, ends, torch.finfo(image.dtype).eps)
        missed = [f"{c} ({g:.2f})" for c, g in zip(scores.classes, gap.tolist(), strict=True) if g > LARGEST_GAP]
        if missed:
            log.warning(
                "case %s: integrated gradients miss the change of the score from the baseline to the image by more "
                "than %.0f %% for label %s. Take more steps or another rule; or, for a network with InstanceNorm, "
                "a baseline that is not constant (noise, blurred).",
                rng.case_id or "-",
                100 * LARGEST_GAP,
                ", ".join(missed),
            )
        return DenseAttribution(total, {"completeness_gap": gap})

    def evaluations(self) -> int:
        """n gradients, and the scores of x and x′."""
        return self.n_steps + 2

    def gradients(self) -> int:
        """n."""
        return self.n_steps


def quadrature(rule: str, n: int) -> tuple[list[float], list[float]]:
    """Positions α_i and weights w_i, n each, so that ∫₀¹ g(α) dα ≈ Σ_i w_i g(α_i); Σ_i w_i = 1.

    | rule | α_i, i = 1..n | w_i | exact for polynomials up to degree |
    | --- | --- | --- | --- |
    | right | i/n | 1/n | 0 |
    | midpoint | (i - ½)/n | 1/n | 1 |
    | trapezoid | (i - 1)/(n - 1) | 1/(n - 1), half of it at both ends | 1 |
    | gauss_legendre | roots of a Legendre polynomial | positive | 2n - 1 |
    """
    if rule == "gauss_legendre":
        roots, weights = np.polynomial.legendre.leggauss(n)
        return ((1 + roots) / 2).tolist(), (weights / 2).tolist()
    if rule == "trapezoid":
        inner = [1 / (n - 1)] * (n - 2)
        return [i / (n - 1) for i in range(n)], [0.5 / (n - 1), *inner, 0.5 / (n - 1)]
    shift = {"right": 0.0, "midpoint": 0.5}[rule]
    return [(i - shift) / n for i in range(1, n + 1)], [1 / n] * n


def completeness_gap(values: Tensor, ends: Tensor, eps: float) -> Tensor:
    """|Σe_c - Δ_c| / |Δ_c|, (K,) float64 on the CPU; NaN where Δ_c is 0 up to rounding (an absent class, x = x′).

    Args:
        values: e, (K, C, D, H, W).
        ends: f̂_c(x′) and f̂_c(x), (2, K) float64.
        eps: Relative rounding error of one logit.
    """
    delta = ends[1] - ends[0]
    rounding = 10 * eps * ends.abs().sum(dim=0)
    gap = (values.sum(dim=(1, 2, 3, 4), dtype=torch.float64).cpu() - delta).abs() / delta.abs()
    return gap.where(delta.abs() > rounding, torch.nan)
