"""SmoothGrad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.attribution.base import Attributor
from agg2exp.domain.attribution import DenseAttribution
from agg2exp.domain.class_scores import Scores
from agg2exp.domain.errors import check_range
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import WindowedModel


@dataclass(frozen=True)
class SmoothGrad(Attributor):
    """e_c = (1/n) Σ_{i=1..n} ∇f̂_c(x + ε_i), ε_i ~ N(0, σ²), σ = noise_level · (max x - min x) (Eq. 4; Smilkov 2017).

    Each channel has its own σ, of its own range: sequences of an MRI may differ in it. On a constant image σ = 0, and
    the result is the vanilla gradient.

    Attributes:
        n_samples: n.
        noise_level: σ relative to the range of x in each channel.

    Raises:
        SettingError: n_samples < 1 or noise_level < 0.
    """

    name: ClassVar[str] = "smoothgrad"

    n_samples: int = 20
    noise_level: float = 0.1

    def __post_init__(self) -> None:
        check_range("n_samples", self.n_samples, 1, integer=True)
        check_range("noise_level", self.noise_level, 0)

    def compute(self, model: WindowedModel, image: Tensor, scores: Scores, rng: KeyedRng) -> DenseAttribution:
        """(K, C, D, H, W): n forwards per window and n backwards per (window, class).

        Samples of the same window share a batch, so that a volume of one window fills it too.
        """
        sigma = self.noise_level * (image.amax((1, 2, 3), keepdim=True) - image.amin((1, 2, 3), keepdim=True))
        total = model.zeros(image, scores)
        for start in range(0, self.n_samples, model.windows.batch):
            samples = range(start, min(start + model.windows.batch, self.n_samples))
            noisy = torch.stack([image + sigma * rng.normal_like(image, "noise", i) for i in samples])  # x + ε_i
            model.gradient(noisy, scores, out=total)
        return DenseAttribution(total.div_(self.n_samples))  # Eq. 4

    def evaluations(self) -> int:
        """n."""
        return self.n_samples

    def gradients(self) -> int:
        """n."""
        return self.n_samples
