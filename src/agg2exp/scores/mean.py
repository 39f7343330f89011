"""The mean logit over the mask."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from agg2exp.domain.prediction import Prediction
from agg2exp.scores.base import Score


class MeanScore(Score):
    """f̂_c(x) = Σ_i m_c(i) f_c(x)(i) / Σ_i m_c(i): Eq. 2 without the influence of the mask's size."""

    name: ClassVar[str] = "mean"

    def weights(self, prediction: Prediction) -> Tensor:
        """g(i) = 1 / |m_ŷ(i)|."""
        per_class = prediction.voxels().clamp(min=1).to(prediction.top_logit.dtype).reciprocal()
        return per_class[prediction.labels.long()]
