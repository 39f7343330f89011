"""What an evaluation metric sees of one explained case, and whom it may ask again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor, nn

from agg2exp.domain.attribution import Attribution
from agg2exp.domain.case import Case
from agg2exp.domain.class_scores import Scores
from agg2exp.domain.explanation import Explanation
from agg2exp.domain.prediction import Prediction
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import WindowedModel
from agg2exp.store.array_cache import ArrayCache


class Asked(Protocol):
    """Explains a case again."""

    @property
    def model(self) -> WindowedModel:
        """The network through sliding windows."""

    @property
    def seed(self) -> int:
        """Of the run."""

    @property
    def key(self) -> Mapping[str, str]:
        """What scores of perturbed images depend on besides the perturbation: weights, image, windows, score, …."""

    def scores(self, prediction: Prediction, policy: str | None = None) -> Scores:
        """f̂_c of the K explained classes under a mask policy; by default that of the run."""

    def attribute(
        self, scores: Scores, image: Tensor | None, network: nn.Module | None, first: Attribution | None
    ) -> Attribution:
        """Attribution at another image, or of another network."""


@dataclass(frozen=True, eq=False)
class ExplainedCase:
    """One explained case, and ways to ask the model and the method again.

    Attributes:
        asked: What explained it.
        case: The case.
        explanation: Prediction and attribution of it.
        cache: Where scores of perturbed images are kept between runs.
    """

    asked: Asked
    case: Case
    explanation: Explanation
    cache: ArrayCache = field(default_factory=lambda: ArrayCache(None))

    @property
    def image(self) -> Tensor:
        """x, (C, D, H, W)."""
        return self.case.image

    @property
    def attribution(self) -> Attribution:
        """e_c of the K classes."""
        return self.explanation.attribution

    @property
    def model(self) -> WindowedModel:
        """The network through sliding windows."""
        return self.asked.model

    @property
    def key(self) -> Mapping[str, str]:
        """What scores of perturbed images depend on besides the perturbation."""
        return self.asked.key

    @cached_property
    def prediction(self) -> Prediction:
        """At x, on its device."""
        return self.explanation.prediction.to(self.image.device)

    @cached_property
    def scores(self) -> Scores:
        """f̂_c of the K classes, under the mask policy of the run."""
        return self.asked.scores(self.prediction)

    def scores_by(self, policy: str | None) -> Scores:
        """The same scores under the policy "fixed" or "recomputed"; None for that of the run."""
        return self.scores if policy is None else self.asked.scores(self.prediction, policy)

    def attribute(self, image: Tensor | None = None, network: nn.Module | None = None) -> Attribution:
        """Attribution of the same scores by the same method, with the same random numbers and choices.

        Args:
            image: At another image, (C, D, H, W).
            network: Of another network.
        """
        return self.asked.attribute(self.scores, image, network, self.attribution)

    def rng(self, metric: str) -> KeyedRng:
        """Random numbers of a metric on this case; the same for every attribution method."""
        return KeyedRng(self.asked.seed, self.case.id, metric)

    @cached_property
    def peaks(self) -> Tensor:
        """max_i |e_c(i)|, (K,) float64 on the CPU."""
        largest = [self.attribution.dense(k).abs().amax() for k in range(self.attribution.n_classes)]
        return torch.stack(largest).double().cpu()

    @cached_property
    def absent(self) -> Tensor:
        """Explained classes that ŷ lacks, (K,) bool on the CPU."""
        return self.prediction.voxels()[list(self.explanation.classes)].cpu() == 0
