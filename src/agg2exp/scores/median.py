"""The median logit over the mask."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.domain.prediction import PredictionLayer
from agg2exp.scores.base import Score


class MedianScore(Score):
    """f̂_c(x) = f_c(x)(i_c), where voxel i_c has the (lower) median of f_c over m_c at the unperturbed image."""

    name: ClassVar[str] = "median"

    def weights(self, layer: PredictionLayer) -> Tensor:
        """g = 1 at the median voxel of every class, 0 elsewhere; the first voxel wins a tie."""
        labels, logits = layer.label_map.flatten(), layer.top_logit.flatten()
        weights = torch.zeros_like(logits)
        for c in layer.voxels().nonzero().flatten().tolist():
            inside = (labels == c).nonzero().flatten()
            order = logits[inside].argsort(stable=True)
            weights[inside[order[(len(order) - 1) // 2]]] = 1
        return weights.reshape(layer.label_map.shape)
