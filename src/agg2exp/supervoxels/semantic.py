"""Supervoxels of the predicted classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.domain.masks import ClassMasks, ExclusiveMasks
from agg2exp.supervoxels.base import Supervoxels, without_gaps

MOST_BITS = 62


@dataclass(frozen=True)
class Semantic(Supervoxels):
    """v = ŷ: every predicted class is one supervoxel; classes that are absent have none.

    Of classes that overlap, every combination that occurs is one, and the voxels of no class are one: of nested regions
    A ⊃ B ⊃ C these are none, A without B, B without C, and C.
    """

    name: ClassVar[str] = "semantic"
    paper_samples: ClassVar[int] = 200

    def __call__(self, image: Tensor, masks: ClassMasks) -> Tensor:
        """(D, H, W) int64; ids follow the order of the labels, or that of `ClassMasks.cells`."""
        return without_gaps(masks.cells().ids)

    def numbers(self, masks: ClassMasks) -> Tensor | None:
        """The labels that are predicted, (S,) int64; of a combination of overlapping classes Σ_c 2^c.

        None where more than 62 classes may overlap, as the sum is too large.
        """
        cells = masks.cells()
        present: Tensor = torch.unique(cells.ids)
        if isinstance(masks, ExclusiveMasks):
            return present.long()
        if masks.n_classes > MOST_BITS:
            return None
        members = cells.members[present.long(), 1:].long()
        numbers: Tensor = (members << torch.arange(masks.n_classes, device=members.device)).sum(dim=1)
        return numbers
