"""Voxel attribution methods, one file each."""

from agg2exp.attribution.base import Attributor
from agg2exp.attribution.captum_method import CaptumMethod
from agg2exp.attribution.input_x_gradient import InputXGradient
from agg2exp.attribution.integrated_gradients import IntegratedGradients
from agg2exp.attribution.kernel_shap import KernelShap
from agg2exp.attribution.smooth_grad import SmoothGrad
from agg2exp.attribution.vanilla_gradient import VanillaGradient

__all__ = [
    "Attributor",
    "CaptumMethod",
    "InputXGradient",
    "IntegratedGradients",
    "KernelShap",
    "SmoothGrad",
    "VanillaGradient",
]
