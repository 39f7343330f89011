"""An attribution method of one's own on the supervoxels of the group `supervoxels`.

PYTHONPATH=user_code agg2exp explain --config-dir user_code/conf attribution=supervoxel_occlusion supervoxels=slic
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from agg2exp.attribution import Attributor
from agg2exp.domain.attribution import SupervoxelAttribution
from agg2exp.supervoxels import Supervoxels


@dataclass(frozen=True)
class SupervoxelOcclusion(Attributor):
    """φ_s = f̂_c(x) - f̂_c(x with supervoxel s set to 0)."""

    name: ClassVar[str] = "supervoxel_occlusion"
    uses_supervoxels: ClassVar[bool] = True

    supervoxels: Supervoxels

    def for_case(self, case):
        return replace(self, supervoxels=self.supervoxels.for_case(case))

    def compute(self, model, image, scores, rng):
        ids = self.supervoxels(image, scores.masks)
        score = model.scores(image[None], scores)
        drops = [score - model.scores((image * (ids != s))[None], scores) for s in ids.unique()]
        return SupervoxelAttribution(ids, torch.cat(drops).T)

    def evaluations(self) -> int:
        return 1000
