"""An attribution method of one's own: this file, and conf/attribution/occlusion.yaml that names it.

PYTHONPATH=user_code agg2exp explain --config-dir user_code/conf attribution=occlusion
"""

import torch

from agg2exp.attribution import Attributor
from agg2exp.domain.attribution import SupervoxelAttribution
from agg2exp.supervoxels import Cubes


class Occlusion(Attributor):
    """φ_s = f̂_c(x) - f̂_c(x with cube s set to 0), the drop of the score (Zeiler & Fergus 2014)."""

    name = "occlusion"

    def __init__(self, n_cubes: int = 64) -> None:
        self.n_cubes = n_cubes

    def compute(self, model, image, scores, rng):
        cubes = Cubes(self.n_cubes)(image, scores.masks)
        score = model.scores(image[None], scores)
        drops = [score - model.scores((image * (cubes != s))[None], scores) for s in cubes.unique()]
        return SupervoxelAttribution(cubes, torch.cat(drops).T)

    def evaluations(self) -> int:
        return 1 + self.n_cubes
