"""The contract of supervoxels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.domain.case import Case
from agg2exp.domain.files import LabelMapFile
from agg2exp.domain.masks import ClassMasks


class Supervoxels(ABC):
    """Divides a volume into groups of voxels that are perturbed together.

    Subclasses are frozen dataclasses, so that their `repr` says all that a result depends on.
    """

    name: ClassVar[str]
    paper_samples: ClassVar[int] = 1000
    """Coalitions that the paper evaluates on such supervoxels (Appendix B)."""
    name_of: Mapping[int, str] = MappingProxyType({})
    """What supervoxels are called, by the number that `numbers` gives them."""

    @abstractmethod
    def __call__(self, image: Tensor, masks: ClassMasks) -> Tensor:
        """Supervoxel of every voxel, (D, H, W) int64 with ids 0..S-1 without gaps.

        Args:
            image: x, (C, D, H, W).
            masks: Where the classes are predicted.
        """

    @property
    def label_map_file(self) -> LabelMapFile | None:
        """The label map that has to be read with each case, for supervoxels that need one."""
        return None

    def numbers(self, masks: ClassMasks) -> Tensor | None:
        """The number that each supervoxel has in all cases, such as its label in an atlas, (S,) int64.

        None where supervoxels of two cases have nothing to do with each other.

        Args:
            masks: Where the classes are predicted.
        """
        return None

    def for_case(self, case: Case) -> Supervoxels:
        """The scheme for one case; a scheme that needs more of the case than image and masks takes it here."""
        return self


def without_gaps(ids: Tensor) -> Tensor:
    """Renumber integer ids to 0..S-1, order kept."""
    renumbered: Tensor = torch.unique(ids.long(), return_inverse=True)[1]
    return renumbered
