"""Supervoxels that follow the image."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.domain.errors import SettingError, check_range
from agg2exp.domain.masks import ClassMasks
from agg2exp.supervoxels.base import Supervoxels, without_gaps

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Slic(Supervoxels):
    """Simple linear iterative clustering (Achanta et al. 2012) as scikit-image does it: k-means of (place, value).

    A cluster is a connected region; how many there are depends on the image. All channels count.

    Attributes:
        n_components: About so many: the grid of seeds rounds each axis, and neighbours of small clusters take them in.
            A constant image keeps the grid of seeds.
        compactness: Weight of place against value, the image scaled to [0, 1]. Low: regions follow every edge and all
            noise, and in the end there is one; high: boxes.

    Raises:
        SettingError: A value is too low.
    """

    name: ClassVar[str] = "slic"

    n_components: int = 512
    compactness: float = 0.2

    def __post_init__(self) -> None:
        check_range("n_components", self.n_components, 1, integer=True)
        check_range("compactness", self.compactness)
        if self.compactness <= 0:
            raise SettingError("compactness", self.compactness, "a number above 0")

    def __call__(self, image: Tensor, masks: ClassMasks) -> Tensor:
        """(D, H, W) int64, computed on the CPU; the same image gives the same supervoxels."""
        from skimage.segmentation import slic  # slow to import, and few runs need it

        clusters = slic(
            image.detach().float().cpu().numpy(),
            n_segments=self.n_components,
            compactness=self.compactness,
            start_label=0,
            channel_axis=0,
        )
        ids = without_gaps(torch.from_numpy(clusters).to(image.device))
        found, wanted = int(ids.max()) + 1, min(self.n_components, ids.numel())
        if 2 * found < wanted:
            log.warning("slic found %d supervoxels where %d were asked for; raise compactness", found, wanted)
        return ids
