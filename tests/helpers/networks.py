"""Networks small enough to differentiate by hand or by brute force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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


class IntensityNetwork(nn.Module):
    """Class c where the first channel is near c / (L - 2), with a little of everything around; the last class nowhere.

    On an image that is bright at one end, every class has its own place, and few windows see all of them.
    """

    def __init__(self, channels: int = 1, classes: int = 5, seed: int = 0) -> None:
        super().__init__()
        self.around = ToyNetwork(channels, classes, seed)
        self.centres = nn.Parameter(torch.arange(classes) / (classes - 2))
        self.offsets = nn.Parameter(torch.tensor([0.0] * (classes - 1) + [-1e3]))

    def forward(self, x: Tensor) -> Tensor:
        near = -40 * (x[:, :1] - self.centres.view(1, -1, 1, 1, 1)) ** 2
        return near + 0.1 * self.around(x) + self.offsets.view(1, -1, 1, 1, 1)


class RegionNetwork(nn.Module):
    """Logits of a sigmoid head: region c is where the smoothed image is above level c, higher ones inside."""

    def __init__(self, levels: Sequence[float]) -> None:
        super().__init__()
        self.levels = nn.Parameter(torch.tensor(list(levels)))

    def forward(self, x: Tensor) -> Tensor:
        smooth = nn.functional.avg_pool3d(x.mean(dim=1, keepdim=True), 3, 1, 1, count_include_pad=False)
        return (torch.sinh(3 * smooth) - torch.sinh(3 * self.levels).view(1, -1, 1, 1, 1)) * (1 + 0.1 * x[:, :1])


class TwoClasses(nn.Module):
    """[0, f] of a network with one channel f, whose softmax is σ(f) in class 1."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        f = self.network(x)
        return torch.cat([torch.zeros_like(f), f], dim=1)


class SteadyNetwork(nn.Module):
    """Another network that predicts the same labels (d, h, w) whatever the image."""

    def __init__(self, network: nn.Module, labels: Tensor, classes: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("offsets", 100.0 * nn.functional.one_hot(labels.long(), classes).movedim(-1, 0))

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x) + self.offsets


class BrokenError(Exception):
    """A watched network was told to fail."""


class WatchedNetwork(nn.Module):
    """Counts what another network does, and fails when told to.

    Attributes:
        forwards: Windows evaluated so far.
        backwards: Windows differentiated so far, one for each window and backward pass.
        calls: Forward passes so far, each of a batch.
        fail_at: Number of the forward pass that fails, counted from 1; None for none.
        fail_backward: Whether backward passes fail.
    """

    def __init__(self, network: nn.Module, fail_at: int | None = None, fail_backward: bool = False) -> None:
        super().__init__()
        self.network = network
        self.fail_at = fail_at
        self.fail_backward = fail_backward
        self.forwards = self.backwards = self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == self.fail_at:
            raise BrokenError
        self.forwards += x.shape[0]
        return _Watch.apply(self.network(x), self)


class _Watch(torch.autograd.Function):
    """The identity, which tells when it is differentiated."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, watched: WatchedNetwork) -> Tensor:
        ctx.watched = watched
        return logits.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        if ctx.watched.fail_backward:
            raise BrokenError
        ctx.watched.backwards += grad.shape[0]
        return grad, None
