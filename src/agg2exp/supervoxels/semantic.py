"""One supervoxel per predicted class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.supervoxels.base import Supervoxels, without_gaps


@dataclass(frozen=True)
class Semantic(Supervoxels):
    """v = ŷ: every predicted class is one supervoxel; classes that are absent have none."""

    name: ClassVar[str] = "semantic"
    paper_samples: ClassVar[int] = 200

    def __call__(self, image: Tensor, labels: Tensor) -> Tensor:
        """(D, H, W) int64; ids follow the order of the labels."""
        return without_gaps(labels)

    def numbers(self, labels: Tensor) -> Tensor:
        """The labels that are predicted, (S,) int64."""
        numbers: Tensor = torch.unique(labels)
        return numbers.long()
