"""What every score has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.domain.class_scores import ClassScores, ScoreLayer
from agg2exp.domain.prediction import Prediction, PredictionLayer


class Score(ABC):
    """f̂_c(x) = Σ_i m_c(i) · g(i) · f_c(x)(i), with a weight volume g that a subclass gives.

    The mask m_c is 1[ŷ = c] with a softmax head, 1[f_c > 0] with a sigmoid head, whose classes may overlap: there each
    has a weight volume of its own.

    Masks and weights come from the unperturbed image and stay constant (mask policy `fixed`), so that the function
    that is attributed is linear in the stitched logits and its gradient separates over windows.
    """

    name: ClassVar[str]
    against_runner_up: ClassVar[bool] = False
    """Subtract the second-best logit of each voxel, its index held constant; with a sigmoid head 0."""

    @abstractmethod
    def weights(self, layer: PredictionLayer) -> Tensor:
        """g (D, H, W) in the dtype of the logits, from a layer of the prediction at the unperturbed image.

        What it gives outside of the masks (label -1) does not count.
        """

    def __call__(self, prediction: Prediction, classes: tuple[int, ...]) -> ClassScores:
        """The scores of the classes (K label indices) as constants of this case."""
        return ClassScores(classes, tuple(self._of(layer) for layer in prediction.layers), prediction.masks)

    def _of(self, layer: PredictionLayer) -> ScoreLayer:
        weights = torch.where(layer.label_map >= 0, self.weights(layer), 0)
        return ScoreLayer(layer.label_map, weights, layer.runner_up if self.against_runner_up else None)
