"""Volumes as MONAI takes them: with their affine."""

from __future__ import annotations

import numpy as np
import torch
from monai.data import MetaTensor
from torch import Tensor

from agg2exp.domain.case import Grid


def with_grid(volume: Tensor, grid: Grid) -> MetaTensor:
    """A volume (C, D, H, W) with the affine of its grid."""
    return MetaTensor(volume, affine=torch.from_numpy(grid.affine))


def grid_of(volume: MetaTensor) -> Grid:
    """The grid of a volume (C, D, H, W)."""
    _, d, h, w = (int(n) for n in volume.shape)
    return Grid((d, h, w), np.asarray(volume.affine, dtype=np.float64))
