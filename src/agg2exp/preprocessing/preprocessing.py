"""From a scan's own grid to what the model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Orientation, ScaleIntensityRange, Spacing
from numpy.typing import NDArray
from torch import Tensor

from agg2exp.domain.case import Grid
from agg2exp.domain.errors import SettingError, check_choice, check_range
from agg2exp.domain.resampling import mostly_covered, nearest, touched

RULES = {"nearest": nearest, "any": touched, "linear": mostly_covered}
"""How masks are resampled, by the value of `Preprocessing.resample`."""


@dataclass(frozen=True)
class Preprocessing:
    """The paper's preprocessing through MONAI: RAS axes, `spacing` mm, HU clipped to `hu_range` and scaled to [0, 1].

    Padding to the window is left to the window engine, which cuts it off again.

    Attributes:
        spacing: Millimetres between voxels along R, A, S.
        hu_range: Lowest and highest Hounsfield unit kept.
        resample: Which voxels belong to a resampled mask: "nearest", those whose nearest voxel does; "any", also those
            that a voxel of the mask falls into, so that small regions survive; "linear", those that the mask covers by
            more than half. Label maps take the nearest voxel.
    """

    spacing: tuple[float, float, float]
    hu_range: tuple[float, float] = (-1024.0, 1024.0)
    resample: str = "nearest"

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
        check_choice("resample", self.resample, tuple(RULES))

    def image(self, hu: NDArray[np.floating], native: Grid) -> tuple[Tensor, Grid]:
        """A scan (D, H, W) in HU -> ((1, D', H', W') float32 in [0, 1], its grid)."""
        low, high = self.hu_range
        steps = Compose([*self._steps(), ScaleIntensityRange(low, high, 0.0, 1.0, clip=True)])
        result = steps(_with_grid(torch.from_numpy(hu.astype(np.float32))[None], native))
        return result.as_tensor().contiguous(), _grid(result.shape, result.affine)

    def grid(self, native: Grid) -> Grid:
        """The grid that scans on `native` are resampled to."""
        volume: Any = _with_grid(torch.zeros(1).expand(1, *native.shape), native)  # no voxel is computed
        for step in self._steps(lazy=True):
            volume = step(volume)
        return _grid((1, *volume.peek_pending_shape()), volume.peek_pending_affine())

    def labels(self, labels: NDArray[Any], native: Grid) -> Tensor:
        """Label maps (..., D, H, W) on the scan's grid -> (..., D', H', W') of their type, nearest voxel."""
        return torch.from_numpy(nearest(labels, native, self.grid(native)))

    def masks(self, masks: NDArray[Any], native: Grid) -> Tensor:
        """Masks (M, D, H, W) on the scan's grid -> (M, D', H', W') of their type, by the rule `resample`."""
        if self.resample == "nearest":
            return self.labels(masks, native)
        grid, rule = self.grid(native), RULES[self.resample]
        return torch.from_numpy(np.stack([rule(mask != 0, native, grid).astype(masks.dtype) for mask in masks]))

    def to_hu(self, image: Tensor) -> NDArray[np.float32]:
        """Back from [0, 1] to (clipped) HU."""
        low, high = self.hu_range
        return np.asarray(image.numpy() * (high - low) + low, dtype=np.float32)

    def _steps(self, lazy: bool = False) -> list[Any]:
        return [
            Orientation(axcodes="RAS", labels=None, lazy=lazy),
            Spacing(pixdim=self.spacing, mode="bilinear", padding_mode="border", lazy=lazy),
        ]


def _with_grid(volume: Tensor, grid: Grid) -> MetaTensor:
    return MetaTensor(volume, affine=torch.from_numpy(grid.affine))


def _grid(shape: Sequence[int], affine: Tensor | NDArray[Any]) -> Grid:
    _, d, h, w = (int(n) for n in shape)
    return Grid((d, h, w), np.asarray(affine, dtype=np.float64))
