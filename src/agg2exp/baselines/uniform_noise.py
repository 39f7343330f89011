"""Noise that takes every intensity of the image with the same probability."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from agg2exp.baselines.base import Baseline
from agg2exp.domain.rng import KeyedRng


@dataclass(frozen=True)
class UniformNoise(Baseline):
    """x′ ~ U[min x, max x], independent for every voxel, channel by channel. A constant image is its own baseline."""

    def __call__(self, image: Tensor, rng: KeyedRng) -> Tensor:
        """(C, D, H, W); the same for the same seed, case and method."""
        low, high = image.amin(dim=(1, 2, 3), keepdim=True), image.amax(dim=(1, 2, 3), keepdim=True)
        share = torch.rand(image.shape, dtype=image.dtype, generator=rng.generator("baseline"))
        return torch.lerp(low, high, share.to(image.device))
