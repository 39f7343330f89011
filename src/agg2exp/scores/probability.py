"""Logits weighted by how sure the model is of each voxel."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.domain.prediction import Prediction
from agg2exp.scores.base import Score


class ProbabilityScore(Score):
    """f̂_c(x) = Σ_i m_c(i) p_c(i) f_c(x)(i) / Σ_i m_c(i) p_c(i), p_c the softmax at the unperturbed image."""

    name: ClassVar[str] = "probability"

    def weights(self, prediction: Prediction) -> Tensor:
        """g(i) = p(i) / Σ_{j: ŷ(j) = ŷ(i)} p(j)."""
        labels, p = prediction.labels.flatten().long(), prediction.top_probability.flatten()
        total = torch.bincount(labels, p.double(), minlength=prediction.n_classes)
        return (p / total.to(p.dtype)[labels]).reshape(prediction.labels.shape)
