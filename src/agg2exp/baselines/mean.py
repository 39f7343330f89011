"""The image's mean everywhere."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from agg2exp.baselines.base import Baseline
from agg2exp.domain.rng import KeyedRng


@dataclass(frozen=True)
class Mean(Baseline):
    """x′ = mean of x over the voxels, channel by channel. A constant image is its own baseline."""

    def __call__(self, image: Tensor, rng: KeyedRng) -> Tensor:
        """(C, D, H, W)."""
        return image.mean(dim=(1, 2, 3), keepdim=True).expand_as(image).clone()
