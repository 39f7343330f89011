"""The same value everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from agg2exp.baselines.base import Baseline
from agg2exp.domain.errors import check_range
from agg2exp.domain.rng import KeyedRng


@dataclass(frozen=True)
class Constant(Baseline):
    """x′ = value. In a CT scaled from [-1024, 1024] HU to [0, 1], 0 is air and 0.5 water.

    Attributes:
        value: In the units of the preprocessed image.

    Raises:
        SettingError: The value is no number.
    """

    value: float = 0.0

    def __post_init__(self) -> None:
        check_range("value", self.value)

    def __call__(self, image: Tensor, rng: KeyedRng) -> Tensor:
        """(C, D, H, W)."""
        return torch.full_like(image, self.value)
