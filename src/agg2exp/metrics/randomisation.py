"""Does an attribution depend on what the network has learned?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from agg2exp.domain.rng import KeyedRng
from agg2exp.metrics.base import EvaluationMetric
from agg2exp.metrics.correlation import constant, spearman
from agg2exp.metrics.explained_case import ExplainedCase


def random_parameters(network: nn.Module, rng: KeyedRng) -> dict[str, Tensor]:
    """Every parameter tensor drawn anew from a normal distribution with its own mean and standard deviation.

    No layer needs to know how it was initialised, and activations keep about their scale. A tensor whose entries are
    all equal (a single slope, a bias that was never trained) stays as it is. Each tensor has its own random numbers.
    """
    parameters = {}
    for name, old in network.named_parameters():
        if old.is_floating_point():
            noise = torch.randn(old.shape, generator=rng.generator(name)).to(old)
            parameters[name] = old.detach().mean() + old.detach().std(correction=0) * noise
    return parameters


def randomisation(e: Tensor, other: Tensor) -> Tensor:
    """Spearman correlation of |e| and |e′| over all voxels and channels, () float64.

    >>> randomisation(torch.tensor([1.0, -2.0, 3.0]), torch.tensor([-0.1, 0.2, 0.3]))
    tensor(1.0000, dtype=torch.float64)
    """
    return spearman(e.abs().flatten(), other.abs().flatten())


class Randomised(nn.Module):
    """A network that runs with other parameters; its own stay where they are, and nothing is copied.

    Args:
        network: The network.
        parameters: Tensors by parameter name, in place of its own.
    """

    def __init__(self, network: nn.Module, parameters: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.network = network
        self.parameters_instead = dict(parameters)

    def forward(self, x: Tensor) -> Tensor:
        """What the network gives with the other parameters."""
        logits: Tensor = functional_call(self.network, self.parameters_instead, (x,))
        return logits


class Randomisation(EvaluationMetric):
    """Spearman correlation over voxels of |e_c| and |e′_c|, e′_c from the network with random parameters.

    All parameters are randomised at once (see `random_parameters`; buffers such as running statistics stay), so that
    one more attribution suffices; scores, masks and the method's random numbers are those of e_c. An attribution that
    tells about the network has a low value, one that tells only about the image stays near 1. Signs are left out,
    since a random network turns them at random.
    """

    name: ClassVar[str] = "randomisation"
    category: ClassVar[str] = "sanity"
    higher_is_better: ClassVar[bool | None] = False
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    paper: ClassVar[str] = "Adebayo et al. 2018, Sanity Checks for Saliency Maps"

    def evaluate(self, case: ExplainedCase) -> Mapping[str, Tensor]:
        """{"randomisation": (K,)}."""
        network = case.model.network
        other = case.attribute(network=Randomised(network, random_parameters(network, case.rng(self.name))))
        values = []
        for k in range(case.attribution.n_classes):
            e = case.attribution.dense(k)
            values.append(randomisation(e, other.dense(k).to(e.device)).cpu())
        found = torch.stack(values)
        same = all(bool(constant(old.detach().flatten())) for old in network.parameters())
        reasons = {
            "no parameter of the network can be randomised": torch.full_like(case.absent, same),
            "an attribution has the same magnitude everywhere": found.isnan(),
        }
        return {self.name: self.where_defined(case, found, reasons)}

    def evaluations(self, n_classes: int) -> tuple[int, int]:
        """One attribution."""
        return 0, 1
