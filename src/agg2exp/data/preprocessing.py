"""From a scan's own grid to what the model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Orientation, ScaleIntensityRange, Spacing
from numpy.typing import NDArray
from torch import Tensor

from agg2exp.domain.case import Grid
from agg2exp.domain.errors import SettingError, check_range


@dataclass(frozen=True)
class Preprocessing:
    """The paper's preprocessing through MONAI: RAS axes, `spacing` mm, HU clipped to `hu_range` and scaled to [0, 1].

    Padding to the window is left to the window engine, which cuts it off again.

    Attributes:
        spacing: Millimetres between voxels along R, A, S.
        hu_range: Lowest and highest Hounsfield unit kept.
    """

    spacing: tuple[float, float, float]
    hu_range: tuple[float, float] = (-1024.0, 1024.0)

    def __post_init__(self) -> None:
        for name, length in (("spacing", 3), ("hu_range", 2)):
            value = getattr(self, name)
            if not isinstance(value, Sequence) or len(value) != length:
                raise SettingError(name, value, f"a list of {length} numbers")
            object.__setattr__(self, name, tuple(float(v) for v in value))
        for mm in self.spacing:
            check_range("spacing", mm, 0.05)
        if self.hu_range[0] >= self.hu_range[1]:
            raise SettingError("hu_range", self.hu_range, "[low, high] with low < high")

    def image(self, hu: NDArray[np.floating], native: Grid) -> tuple[Tensor, Grid]:
        """A scan (D, H, W) in HU -> ((1, D', H', W') float32 in [0, 1], its grid)."""
        low, high = self.hu_range
        steps = Compose(
            [
                Orientation(axcodes="RAS", labels=None),
                Spacing(pixdim=self.spacing, mode="bilinear", padding_mode="border"),
                ScaleIntensityRange(low, high, 0.0, 1.0, clip=True),
            ]
        )
        result = steps(
            MetaTensor(torch.from_numpy(hu.astype(np.float32))[None], affine=torch.from_numpy(native.affine))
        )
        _, d, h, w = result.shape
        return result.as_tensor().contiguous(), Grid((d, h, w), np.asarray(result.affine, dtype=np.float64))

    def masks(self, masks: NDArray[np.integer], native: Grid) -> Tensor:
        """Label maps or masks (M, D, H, W) on the scan's grid -> (M, D', H', W') of their dtype, nearest voxel.

        Exact for labels up to ±2^24, beyond which float32, in which MONAI resamples, leaves whole numbers out.
        """
        volumes = torch.from_numpy(masks)
        steps = Compose(
            [
                Orientation(axcodes="RAS", labels=None),
                Spacing(pixdim=self.spacing, mode="nearest", padding_mode="border", dtype=np.float32),
            ]
        )
        result = steps(MetaTensor(volumes, affine=torch.from_numpy(native.affine)))
        resampled: Tensor = result.as_tensor().to(volumes.dtype).contiguous()
        return resampled

    def to_hu(self, image: Tensor) -> NDArray[np.float32]:
        """Back from [0, 1] to (clipped) HU."""
        low, high = self.hu_range
        return np.asarray(image.numpy() * (high - low) + low, dtype=np.float32)
