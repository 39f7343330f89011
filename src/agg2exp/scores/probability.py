"""Logits weighted by how sure the model is of each voxel."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.domain.prediction import PredictionLayer
from agg2exp.scores.base import Score


class ProbabilityScore(Score):
    """f̂_c(x) = Σ_i m_c(i) p_c(i) f_c(x)(i) / Σ_i m_c(i) p_c(i), p_c the probability at the unperturbed image.

    It is the softmax, or the sigmoid of a sigmoid head.
    """

    name: ClassVar[str] = "probability"

    def weights(self, layer: PredictionLayer) -> Tensor:
        """g(i) = p(i) / Σ_{j: ŷ(j) = ŷ(i)} p(j)."""
        bins, p = layer.label_map.flatten().long() + 1, layer.top_probability.flatten()  # -1 has the first bin
        total = torch.bincount(bins, p.double(), minlength=layer.n_classes + 1)
        return (p / total.to(p.dtype)[bins]).reshape(layer.label_map.shape)
