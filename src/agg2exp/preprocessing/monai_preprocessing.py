"""A list of MONAI's transforms as the preprocessing of a model."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from monai.transforms import SpatialResample
from numpy.typing import NDArray

from agg2exp.domain.case import Grid
from agg2exp.domain.errors import SettingError
from agg2exp.domain.roles import Notice
from agg2exp.preprocessing.base import Body, Prepared, Preprocessor
from agg2exp.preprocessing.display import PercentileDisplay, Shown
from agg2exp.preprocessing.meta_tensor import grid_of, with_grid
from agg2exp.preprocessing.preprocessing import NO_BODY
from agg2exp.preprocessing.transforms import Transform, applied, checked


@dataclass(frozen=True)
class MonaiPreprocessing(Preprocessor):
    """Any transforms of a volume (C, D, H, W); where the voxels lie afterwards is what their affine says.

    Attributes:
        transforms: Applied one after another; none may be random.
        body: Tells the patient from what is around; None: it is unknown.
        display: Which values of the scan are drawn black and white; of the model's image these are percentiles.

    Raises:
        SettingError: There is no transform, or one is random.
    """

    transforms: tuple[Transform, ...]
    body: Body | None = None
    display: Shown = field(default_factory=PercentileDisplay)

    def __post_init__(self) -> None:
        if not isinstance(self.transforms, list | tuple) or not self.transforms:
            raise SettingError("transforms", self.transforms, "a list of MONAI's transforms")
        object.__setattr__(self, "transforms", checked("transforms", self.transforms))

    def prepare(self, scan: NDArray[Any], native: Grid, notice: Notice) -> Prepared:
        """Preprocess a scan (C, D, H, W) on `native`.

        Raises:
            SettingError: The transforms leave no volume (C, D, H, W).
        """
        volume = with_grid(torch.from_numpy(scan.astype(np.float32)), native)
        result = applied(self.transforms, volume)
        if result.ndim != 4:
            raise SettingError("transforms", tuple(result.shape), "transforms that leave a volume (C, D, H, W)")
        grid, body = grid_of(result), None
        if self.body is None:
            notice(NO_BODY)
        else:
            on_grid = SpatialResample(mode="bilinear", padding_mode="border")
            resampled: Any = on_grid(volume, dst_affine=result.affine, spatial_size=grid.shape)
            body = self.body(scan, native, resampled.numpy(), grid, notice)
        image = result.as_tensor().float().contiguous()
        return Prepared(
            image=image,
            grid=grid,
            body=None if body is None else torch.from_numpy(body),
            shown=PercentileDisplay().limits(image),
            display=self.display.limits(volume.as_tensor()),
        )

    def voxels(self, native: Grid) -> float:
        """As many as the scan has; what the transforms make of them is not known before."""
        return float(math.prod(native.shape))
