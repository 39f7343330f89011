"""Vanilla gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from agg2exp.attribution.base import Attributor
from agg2exp.domain.attribution import DenseAttribution
from agg2exp.domain.class_scores import Scores
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import WindowedModel


@dataclass(frozen=True)
class VanillaGradient(Attributor):
    """e_c = ∇_x f̂_c(x) (Eq. 3; Simonyan et al. 2014)."""

    name: ClassVar[str] = "vanilla_gradient"

    def compute(self, model: WindowedModel, image: Tensor, scores: Scores, rng: KeyedRng) -> DenseAttribution:
        """(K, C, D, H, W) gradients: one forward per window, one backward per (window, class)."""
        return DenseAttribution(model.gradient(image.unsqueeze(0), scores))

    def evaluations(self) -> int:
        """One."""
        return 1

    def gradients(self) -> int:
        """One."""
        return 1
