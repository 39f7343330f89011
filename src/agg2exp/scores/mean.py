"""The mean logit over the mask."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from agg2exp.domain.prediction import PredictionLayer
from agg2exp.scores.base import Score


class MeanScore(Score):
    """f̂_c(x) = Σ_i m_c(i) f_c(x)(i) / Σ_i m_c(i): Eq. 2 without the influence of the mask's size."""

    name: ClassVar[str] = "mean"

    def weights(self, layer: PredictionLayer) -> Tensor:
        """g(i) = 1 / |m_ŷ(i)|."""
        per_class = layer.voxels().clamp(min=1).to(layer.top_logit.dtype).reciprocal()
        return per_class[layer.label_map.long()]
