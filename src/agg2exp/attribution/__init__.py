"""Voxel attribution methods, one file each."""

from agg2exp.attribution.base import Attributor
from agg2exp.attribution.smooth_grad import SmoothGrad
from agg2exp.attribution.vanilla_gradient import VanillaGradient

__all__ = ["Attributor", "SmoothGrad", "VanillaGradient"]
