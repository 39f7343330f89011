"""Input times gradient."""

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
class InputXGradient(Attributor):
    """e_c = x ⊙ ∇f̂_c(x) (Shrikumar et al. 2016).

    Depends on where the intensities have their zero: what is air in a CT scaled from [-1024, 1024] HU gets nothing.
    """

    name: ClassVar[str] = "input_x_gradient"

    def compute(self, model: WindowedModel, image: Tensor, scores: Scores, rng: KeyedRng) -> DenseAttribution:
        """(K, C, D, H, W): one forward per window, one backward per (window, class)."""
        gradient = model.gradient(image.unsqueeze(0), scores)
        return DenseAttribution(gradient.mul_(image.to(gradient.device)))

    def evaluations(self) -> int:
        """One."""
        return 1

    def gradients(self) -> int:
        """One."""
        return 1
