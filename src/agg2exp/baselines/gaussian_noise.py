"""Noise around the image's mean."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from agg2exp.baselines.base import Baseline
from agg2exp.domain.errors import check_range
from agg2exp.domain.rng import KeyedRng


@dataclass(frozen=True)
class GaussianNoise(Baseline):
    """x′ = mean x + ε, ε ~ N(0, σ²), σ = noise_level · (max x - min x), clipped to [min x, max x], per channel.

    The noise lies around the mean and not around x, so that nothing of the content of x is left in it; clipped, it
    holds no intensities that x does not reach. A constant image is its own baseline.

    Attributes:
        noise_level: σ relative to the range of x.

    Raises:
        SettingError: noise_level < 0.
    """

    noise_level: float = 0.1

    def __post_init__(self) -> None:
        check_range("noise_level", self.noise_level, 0)

    def __call__(self, image: Tensor, rng: KeyedRng) -> Tensor:
        """(C, D, H, W); the same for the same seed, case and method."""
        low, high = image.amin(dim=(1, 2, 3), keepdim=True), image.amax(dim=(1, 2, 3), keepdim=True)
        sigma = self.noise_level * (high - low)
        noise = sigma * rng.normal_like(image, "baseline")
        return (image.mean(dim=(1, 2, 3), keepdim=True) + noise).clamp(low, high)
