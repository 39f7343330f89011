"""The image without its details."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from agg2exp.baselines.base import Baseline
from agg2exp.domain.errors import check_range
from agg2exp.domain.rng import KeyedRng


@dataclass(frozen=True)
class Blurred(Baseline):
    """x′ = x convolved with a Gaussian, channel by channel; x is mirrored at its borders, so that its mean is kept.

    A constant image is its own baseline, up to rounding.

    Attributes:
        sigma: Standard deviation of the Gaussian in voxels; with 0, x′ = x.

    Raises:
        SettingError: sigma < 0.
    """

    sigma: float = 10.0

    def __post_init__(self) -> None:
        check_range("sigma", self.sigma, 0)

    def __call__(self, image: Tensor, rng: KeyedRng) -> Tensor:
        """(C, D, H, W); computed on the CPU."""
        sigmas = (0.0, self.sigma, self.sigma, self.sigma)
        return torch.from_numpy(gaussian_filter(image.numpy(force=True), sigmas, mode="reflect")).to(image)
