"""One scan on its way through agg2exp."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Grid:
    """A voxel grid in world space.

    Attributes:
        shape: (D, H, W), voxels along the three array axes.
        affine: (4, 4) float64, voxel index -> world millimetres in RAS+ (NIfTI's convention).
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @cached_property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres between voxel centres along each axis."""
        d, h, w = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(d), float(h), float(w)

    @property
    def voxel_volume(self) -> float:
        """Cubic millimetres of one voxel."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))


@dataclass(frozen=True, eq=False)
class Case:
    """A preprocessed scan with all that travels with it.

    Attributes:
        id: Name of the case, unique in its data set.
        image: (C, D, H, W) float32, preprocessed (CT: in [0, 1]).
        grid: Grid of `image` (array axes point to R, A, S).
        native: Grid of the scan's own file; results return to it.
        labels: (D, H, W) int16 annotated label map, or None.
        annotated: For each class, whether it was annotated at all (L); empty if `labels` is None.
        extra: Extra RoI masks, (D, H, W) bool each; None for a mask that was not supplied.
        label_map: (D, H, W) int64 given partition such as an atlas, on the grid of `image`; None if none was asked for.
        body: (D, H, W) bool, the patient without the air around; None if unknown.
        metadata: Facts about the patient or scan; they stay on this machine.
        fingerprint: Changes when a file of the case changes.
        notices: What had to be assumed, or looks wrong, in reading it; a sentence each, without the case's id.
    """

    id: str
    image: Tensor
    grid: Grid
    native: Grid
    labels: Tensor | None = None
    annotated: tuple[bool, ...] = ()
    extra: Mapping[str, Tensor | None] = field(default_factory=dict)
    label_map: Tensor | None = None
    body: Tensor | None = None
    metadata: Mapping[str, str | float] = field(default_factory=dict)
    fingerprint: str = ""
    notices: tuple[str, ...] = ()

    def to(self, device: torch.device | str) -> Case:
        """The same case with its tensors on `device`."""
        return replace(
            self,
            image=self.image.to(device),
            labels=None if self.labels is None else self.labels.to(device),
            extra={k: None if v is None else v.to(device) for k, v in self.extra.items()},
            label_map=None if self.label_map is None else self.label_map.to(device),
            body=None if self.body is None else self.body.to(device),
        )


@dataclass(frozen=True)
class Failure:
    """A case that could not be processed, and why."""

    case_id: str
    stage: str
    error: str
    traceback: str

    def to(self, device: torch.device | str) -> Failure:
        """Nothing to move; so that a loader may hand out failures in place of cases."""
        return self
