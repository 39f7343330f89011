"""From a scan's own grid to what the model was trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Orientation, Spacing
from numpy.typing import NDArray
from torch import Tensor

from agg2exp.domain.case import Grid
from agg2exp.domain.errors import SettingError, check_choice, check_range
from agg2exp.domain.roles import Notice
from agg2exp.preprocessing.base import Body, Limits, Prepared, Preprocessor
from agg2exp.preprocessing.crop import ForegroundCrop
from agg2exp.preprocessing.display import PercentileDisplay, Shown
from agg2exp.preprocessing.intensity import Intensity
from agg2exp.preprocessing.meta_tensor import grid_of, with_grid
from agg2exp.preprocessing.pad import Pad
from agg2exp.preprocessing.transforms import Transform, checked, kept_shape

PAIRS = ("LR", "PA", "IS")
INTERPOLATIONS: dict[str, dict[str, Any]] = {
    "linear": {"mode": "bilinear", "padding_mode": "border"},
    "nearest": {"mode": "nearest", "padding_mode": "border"},
    "cubic": {"mode": 3, "padding_mode": "nearest"},  # splines, by scipy
}
NO_BODY = (
    "the preprocessing does not say what the body is (model.preprocessing.body), so that enrichment_body and "
    "expected_by_distance are unknown (NaN)"
)


@dataclass(frozen=True)
class Preprocessing(Preprocessor):
    """Axes are turned, the foreground is cropped, voxels are resampled, values are mapped, the volume is filled up.

    In this order; each step but for the axes may be left out.

    Attributes:
        axes: Where the three array axes point to, a letter each (R or L, A or P, S or I, in any order: "RAS", "LPI",
            "SRA"); of an oblique scan the nearest. "native": as in the file.
        spacing: Millimetres between voxels along these axes; None: as the scan has them.
        interpolation: Of the image: "linear", "nearest", or "cubic" (splines of order 3).
        crop: Cuts off what is around the foreground; None: nothing.
        intensity: From the scan's values to the network's; None: as they are; or a list of MONAI's transforms of
            (C, D, H, W) that keep the shape.
        pad: Fills up the shape; None: as it is.
        body: Tells the patient from what is around; None: it is unknown, and with it what is relative to it.
        display: Which values are drawn black and white, in the scan's units.

    Raises:
        SettingError: A value is not allowed.
    """

    axes: str = "RAS"
    spacing: tuple[float, float, float] | None = None
    interpolation: str = "linear"
    crop: ForegroundCrop | None = None
    intensity: Intensity | tuple[Transform, ...] | None = None
    pad: Pad | None = None
    body: Body | None = None
    display: Shown = field(default_factory=PercentileDisplay)

    def __post_init__(self) -> None:
        _check_axes(self.axes)
        if self.spacing is not None:
            if not isinstance(self.spacing, Sequence) or len(self.spacing) != 3:
                raise SettingError("spacing", self.spacing, "a list of 3 numbers, in mm, or null for the scan's own")
            for mm in self.spacing:
                check_range("spacing", mm, 0.05)
            object.__setattr__(self, "spacing", tuple(float(mm) for mm in self.spacing))
        check_choice("interpolation", self.interpolation, tuple(INTERPOLATIONS))
        for name in ("crop", "pad", "body"):
            if (part := getattr(self, name)) is not None and not callable(part):
                raise SettingError(
                    name, part, f"null, or an object such as conf/model/preprocessing/*.yaml have as {name}"
                )
        if isinstance(self.intensity, Sequence):
            object.__setattr__(self, "intensity", checked("intensity", self.intensity))

    def prepare(self, scan: NDArray[Any], native: Grid, notice: Notice) -> Prepared:
        """Preprocess a scan (C, D, H, W) on `native`.

        Raises:
            DataError: There is no foreground to crop to.
            SettingError: The transforms of `intensity` change the shape.
        """
        volume: Any = with_grid(torch.from_numpy(scan.astype(np.float32)), native)
        for step in self._steps():
            volume = step(volume)
        grid = grid_of(volume)
        body = None if self.body is None else self.body(scan, native, volume.numpy(), grid, notice)
        if self.body is None:
            notice(NO_BODY)
        image: Any = with_grid(self._mapped(volume), grid)
        display = self.display.limits(volume.as_tensor())
        shown = self._in_units_of_the_image(display, volume, image.as_tensor())
        masked = None if body is None else with_grid(torch.from_numpy(body)[None], grid)
        if self.pad is not None:
            image = self.pad(image, self.pad.value)
            masked = None if masked is None else self.pad(masked, 0)
        return Prepared(
            image=image.as_tensor().contiguous(),
            grid=grid_of(image),
            body=None if masked is None else masked.as_tensor()[0].contiguous(),
            shown=shown,
            display=display,
        )

    def voxels(self, native: Grid) -> float:
        """Volume of the scan / volume of a voxel, or what padding makes of it, as if nothing was cropped."""
        if self.pad is not None:
            shape: Any = with_grid(torch.zeros(1).expand(1, *native.shape), native)  # no voxel is computed
            for step in self._steps(lazy=True):
                shape = step(shape)
            return float(math.prod(self.pad.shape(shape.peek_pending_shape())))
        volume = math.prod(native.shape) * native.voxel_volume
        return volume / (native.voxel_volume if self.spacing is None else math.prod(self.spacing))

    def _mapped(self, volume: MetaTensor) -> Tensor:
        if isinstance(self.intensity, Intensity):
            return self.intensity(volume.as_tensor())
        return kept_shape("intensity", self.intensity or (), volume).float()

    def _in_units_of_the_image(self, display: Limits, volume: Tensor, image: Tensor) -> Limits:
        """Where the map of values is not known, percentiles of the image."""
        if self.intensity is None:
            return display
        if not isinstance(self.intensity, Intensity):
            return PercentileDisplay().limits(image)
        ends = [(zero, (one - zero) or 1.0) for zero, one in self.intensity.ends(volume)]  # 1.0: of one value
        pairs = zip(display, ends, strict=True)
        return tuple(((low - zero) / unit, (high - zero) / unit) for (low, high), (zero, unit) in pairs)

    def _steps(self, lazy: bool = False) -> list[Any]:
        """What changes the grid, but for the padding; `lazy`: what can be known from the header."""
        steps: list[Any] = []
        if self.axes != "native":
            steps.append(Orientation(axcodes=self.axes, labels=None, lazy=lazy))
        if self.crop is not None and not lazy:
            steps.append(self.crop)
        if self.spacing is not None:
            steps.append(Spacing(pixdim=self.spacing, lazy=lazy, **INTERPOLATIONS[self.interpolation]))
        return steps


def _check_axes(axes: object) -> None:
    fits = axes == "native" or (
        isinstance(axes, str) and len(axes) == 3 and all(sum(c in pair for c in axes) == 1 for pair in PAIRS)
    )
    if not fits:
        raise SettingError("axes", axes, 'three letters, one of R and L, one of A and P, one of S and I, or "native"')
