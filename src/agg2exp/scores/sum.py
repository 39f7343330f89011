"""The paper's score."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.domain.prediction import PredictionLayer
from agg2exp.scores.base import Score


class SumScore(Score):
    """f̂_c(x) = Σ_i m_c(i) f_c(x)(i): the logits of a class summed over its predicted mask (Eq. 2)."""

    name: ClassVar[str] = "sum"

    def weights(self, layer: PredictionLayer) -> Tensor:
        """g = 1."""
        return torch.ones_like(layer.top_logit)
