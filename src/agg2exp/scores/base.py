"""What every score has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from agg2exp.domain.class_scores import ClassScores
from agg2exp.domain.prediction import Prediction


class Score(ABC):
    """f̂_c(x) = Σ_i m_c(i) · g(i) · f_c(x)(i), with m_c = 1[ŷ = c] and a weight volume g that a subclass gives.

    Masks and weights come from the unperturbed image and stay constant (mask policy `fixed`), so that the function
    that is attributed is linear in the stitched logits and its gradient separates over windows.
    """

    name: ClassVar[str]
    against_runner_up: ClassVar[bool] = False
    """Subtract the second-best logit of each voxel, its index held constant."""

    @abstractmethod
    def weights(self, prediction: Prediction) -> Tensor:
        """g (D, H, W) in the dtype of the logits, from the prediction at the unperturbed image."""

    def __call__(self, prediction: Prediction, classes: tuple[int, ...]) -> ClassScores:
        """The scores of the classes (K label indices) as constants of this case."""
        return ClassScores(
            classes=classes,
            labels=prediction.labels,
            weights=self.weights(prediction),
            runner_up=prediction.runner_up if self.against_runner_up else None,
        )
