"""How much does an attribution change when the image hardly does?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.aggregation.overlap import dice_and_iou
from agg2exp.domain.errors import check_choice, check_range
from agg2exp.metrics.base import EvaluationMetric, normalised
from agg2exp.metrics.explained_case import ExplainedCase


def relative_change(e: Tensor, other: Tensor) -> Tensor:
    """‖ē - ē′‖₂ / ‖ē‖₂ over all voxels and channels, each normalised by its own maximum; () float64.

    >>> relative_change(torch.tensor([4.0, 0.0]), torch.tensor([0.0, 3.0]))
    tensor(1.4142, dtype=torch.float64)
    """
    first, second = normalised(e), normalised(other)
    norm = torch.linalg.vector_norm
    change: Tensor = norm(first - second, dtype=torch.float64) / norm(first, dtype=torch.float64)
    return change


class Sensitivity(EvaluationMetric):
    """(1/n) Σ_i ‖ē_c(x) - ē_c(x + ε_i)‖₂ / ‖ē_c(x)‖₂ (Eq. 9), ē = e / max|e| of each attribution by itself.

    The method draws the same random numbers for x and x + ε_i, so that only the image differs. How much of the
    segmentation the noise spares is reported beside it: `sensitivity_dice`, the mean Dice of ŷ(x) and ŷ(x + ε_i).

    Args:
        n_samples: n.
        noise: "uniform" on [-radius, radius], or "gaussian" with σ = radius.
        radius: In the units of the preprocessed image: 0.1 is 205 HU in a CT scaled from [-1024, 1024] HU.

    Raises:
        SettingError: A value is not allowed.
    """

    name: ClassVar[str] = "sensitivity"
    category: ClassVar[str] = "sensitivity"
    higher_is_better: ClassVar[bool | None] = False
    range: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    paper: ClassVar[str] = "Yeh et al. 2019, On the (In)fidelity and Sensitivity of Explanations"

    def __init__(self, n_samples: int = 3, noise: str = "uniform", radius: float = 0.1) -> None:
        check_range("n_samples", n_samples, 1, integer=True)
        check_choice("noise", noise, ("uniform", "gaussian"))
        check_range("radius", radius, 0)
        self.n_samples = n_samples
        self.noise = noise
        self.radius = radius

    def evaluate(self, case: ExplainedCase) -> Mapping[str, Tensor]:
        """{"sensitivity": (K,), "sensitivity_dice": (K,)}; two attributions at a time."""
        n_classes = case.attribution.n_classes
        changes = torch.zeros(n_classes, dtype=torch.float64)
        for i in range(self.n_samples):
            other = case.attribute(self.noisy(case, i))
            for k in range(n_classes):
                e = case.attribution.dense(k)
                changes[k] += relative_change(e, other.dense(k).to(e.device)).cpu()
            del other
        reasons = {"the attribution at a noisy image is zero everywhere or not finite": changes.isnan()}
        return {
            self.name: self.where_defined(case, changes / self.n_samples, reasons),
            f"{self.name}_dice": self._dice(case),
        }

    def evaluations(self, n_classes: int) -> tuple[int, int]:
        """n predictions and n attributions of noisy images."""
        return self.n_samples, self.n_samples

    def noisy(self, case: ExplainedCase, i: int) -> Tensor:
        """x + ε_i, (C, D, H, W)."""
        x, rng = case.image, case.rng(self.name)
        if self.noise == "gaussian":
            return x + self.radius * rng.normal_like(x, "noise", i)
        share = torch.rand(x.shape, dtype=x.dtype, generator=rng.generator("noise", i)).to(x.device)
        return x + self.radius * (2 * share - 1)

    def _dice(self, case: ExplainedCase) -> Tensor:
        """Mean Dice of ŷ(x) and ŷ(x + ε_i), (K,) float64; the same for all methods, so it is kept."""
        key = {**case.key, "case": case.case.id, "seed": str(case.asked.seed), **self.settings()}
        dice = torch.as_tensor(case.cache.get("sensitivity", key, lambda: {"dice": self._dices(case).numpy()})["dice"])
        return dice.mean(dim=0)[list(case.scores.classes)].masked_fill(case.absent, torch.nan)

    def _dices(self, case: ExplainedCase) -> Tensor:
        """(n, L) float64; a class that both predictions lack is NaN."""
        prediction, known = case.prediction, [True] * case.prediction.n_classes
        noisy = (case.model.predict(self.noisy(case, i)).to(prediction.device) for i in range(self.n_samples))
        dices = (dice_and_iou(other.masks, prediction.masks, known)[0] for other in noisy)
        return torch.stack([torch.as_tensor(dice) for dice in dices])
