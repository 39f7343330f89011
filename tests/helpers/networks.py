"""Networks small enough to differentiate by hand or by brute force."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ToyNetwork(nn.Module):
    """Two convolutions with a nonlinearity: (B, C, d, h, w) -> (B, L, d, h, w), depends on the place in the window."""

    def __init__(self, channels: int = 1, classes: int = 4, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Conv3d(channels, 6, 3, padding=1)
        self.norm = nn.BatchNorm3d(6)
        self.last = nn.Conv3d(6, classes, 3, padding=1)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.norm(self.first(x))))


class LinearNetwork(nn.Module):
    """f_c(x)(i) = a_c · x(i) + b_c on one channel: gradients are known in closed form."""

    def __init__(self, slopes: list[float], offsets: list[float]) -> None:
        super().__init__()
        self.slopes = nn.Parameter(torch.tensor(slopes))
        self.offsets = nn.Parameter(torch.tensor(offsets))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.slopes.view(1, -1, 1, 1, 1) + self.offsets.view(1, -1, 1, 1, 1)
