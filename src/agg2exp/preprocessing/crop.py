"""Leave out what is around the foreground."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from monai.data import MetaTensor
from monai.transforms import SpatialCrop
from monai.transforms.utils import generate_spatial_bounding_box

from agg2exp.domain.errors import DataError, check_range


@dataclass(frozen=True)
class ForegroundCrop:
    """The bounding box of all voxels that are foreground in any channel.

    Attributes:
        above: Foreground is above this, in the units of the scan; None: foreground is what is not 0.
        margin: Voxels of the scan kept around the box, where the scan has them.

    Raises:
        SettingError: A value is none.
    """

    above: float | None = None
    margin: int = 0

    def __post_init__(self) -> None:
        if self.above is not None:
            check_range("crop.above", self.above)
        check_range("crop.margin", self.margin, 0, integer=True)

    def __call__(self, volume: MetaTensor) -> MetaTensor:
        """Cut a volume (C, D, H, W), and its affine with it.

        Raises:
            DataError: There is no foreground.
        """
        foreground = volume.as_tensor() != 0 if self.above is None else volume.as_tensor() > self.above
        if not bool(foreground.any()):
            what = "not 0" if self.above is None else f"above {self.above:g}"
            raise DataError(
                f"expected foreground to crop to, got no voxel {what}. Leave the case out, or set "
                "model.preprocessing.crop as your scans need."
            )
        start, end = generate_spatial_bounding_box(foreground, select_fn=torch.as_tensor, margin=self.margin,
                                                   allow_smaller=True)  # fmt: skip
        cut = SpatialCrop(roi_start=start, roi_end=end)(volume)
        return cut if isinstance(cut, MetaTensor) else MetaTensor(cut)
