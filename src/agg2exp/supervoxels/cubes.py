"""Even boxes, as near to cubes as the volume allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.domain.errors import SettingError, check_range
from agg2exp.domain.masks import ClassMasks
from agg2exp.supervoxels.base import Supervoxels


@dataclass(frozen=True)
class Cubes(Supervoxels):
    """A grid of a x b x c boxes that differ by at most one voxel along each axis.

    Attributes:
        n_components: At most so many boxes; a, b, c bring their edges nearest to that of a cube of p / n_components
            voxels (least squares of the logarithms).
        edge: Or the edge length in voxels; each axis is divided evenly into parts of about that length.

    Raises:
        SettingError: Not exactly one of the two is given, or it is below 1.
    """

    name: ClassVar[str] = "cubes"

    n_components: int | None = 512
    edge: int | None = None

    def __post_init__(self) -> None:
        if (self.n_components is None) == (self.edge is None):
            raise SettingError("edge", self.edge, "either edge or n_components, the other null")
        for name, value in (("n_components", self.n_components), ("edge", self.edge)):
            if value is not None:
                check_range(name, value, 1, integer=True)

    def __call__(self, image: Tensor, masks: ClassMasks) -> Tensor:
        """(D, H, W) int64; ids run along the last axis first."""
        shape = masks.shape
        ids = torch.zeros(shape, dtype=torch.int64, device=image.device)
        for axis, parts in enumerate(self.counts(shape)):
            part = torch.arange(shape[axis], device=image.device) * parts // shape[axis]
            ids = ids * parts + part.reshape([-1 if i == axis else 1 for i in range(3)])
        return ids

    def counts(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Boxes along each axis (a, b, c)."""
        if self.edge is not None:
            return tuple(max(round(size / self.edge), 1) for size in shape)
        most = self.n_components or 1
        ideal = math.log(math.prod(shape) / most) / 3
        even = shape[2] / math.exp(ideal)

        def misfit(counts: tuple[int, int, int]) -> float:
            return sum((math.log(size / n) - ideal) ** 2 for size, n in zip(shape, counts, strict=True))

        choices = (
            (a, b, min(c, shape[2], most // (a * b)))
            for a in range(1, min(shape[0], most) + 1)
            for b in range(1, min(shape[1], most // a) + 1)
            for c in (max(int(even), 1), int(even) + 1)  # the best whole number if a and b allow it
        )
        return min(choices, key=misfit)
