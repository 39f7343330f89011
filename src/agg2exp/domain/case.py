"""One scan on its way through agg2exp."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import permutations, product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agg2exp.domain.errors import CaseError
from agg2exp.domain.files import Origin
from agg2exp.domain.masks import ClassMasks

SAME_VOXEL = 0.1
"""Fraction of the smallest voxel edge by which corners of the same grid may differ.

Headers round (float32 matrices, quaternions, spacings of six digits: below 0.02 voxels at the end of 512), and from
half a voxel on the nearest voxel is another one.
"""


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

    @property
    def extent(self) -> tuple[float, float, float]:
        """Millimetres that the voxels cover along each array axis, from edge to edge."""
        d, h, w = (float(n * mm) for n, mm in zip(self.shape, self.spacing, strict=True))
        return d, h, w

    def scaled(self, factor: float) -> Grid:
        """The grid with all lengths multiplied, for a file whose unit of length is not mm.

        Rounded as a header in mm would be: 0.0015 m is 1.5 mm, not 1.500000013.
        """
        affine = (np.diag([factor, factor, factor, 1.0]) @ self.affine).astype(np.float32).astype(np.float64)
        return self if factor == 1 else replace(self, affine=affine)

    def distance(self, other: Grid) -> float:
        """The largest distance in mm between the same of the eight corner voxels; infinite where the shapes differ."""
        if self.shape != other.shape:
            return float("inf")
        corners = np.array(list(product(*((0, n - 1) for n in self.shape)))) @ (self.affine - other.affine)[:3, :3].T
        return float(np.linalg.norm(corners + (self.affine - other.affine)[:3, 3], axis=1).max())

    def same(self, other: Grid) -> bool:
        """Whether voxels of the same index lie at the same place, up to `SAME_VOXEL`."""
        return self.distance(other) <= SAME_VOXEL * min(*self.spacing, *other.spacing)

    def order_of(self, grid: Grid) -> Callable[[NDArray[Any]], NDArray[Any]] | None:
        """What brings voxels on `grid` into the order of this grid; None unless both have the same voxels.

        Only the order and direction of the array axes may differ; nothing is resampled.
        """
        for axes in permutations(range(3)):
            for flips in product((False, True), repeat=3):
                if self.same(grid._turned(axes, flips)):
                    return partial(_reordered, axes=axes, backwards=[axis for axis in range(3) if flips[axis]])
        return None

    def _turned(self, axes: Sequence[int], flips: Sequence[bool]) -> Grid:
        """The same voxels with array axis `axes[k]` as axis k, run through backwards where `flips[k]`."""
        d, h, w = (self.shape[axis] for axis in axes)
        new = np.zeros((4, 4))  # index of the turned grid -> index of this one
        new[3, 3] = 1
        for k, (axis, flip) in enumerate(zip(axes, flips, strict=True)):
            new[axis, k] = -1 if flip else 1
            new[axis, 3] = self.shape[axis] - 1 if flip else 0
        return Grid((d, h, w), self.affine @ new)


def _reordered(volume: NDArray[Any], axes: Sequence[int], backwards: Sequence[int]) -> NDArray[Any]:
    if list(axes) == [0, 1, 2] and not backwards:
        return volume
    return np.ascontiguousarray(np.flip(volume.transpose(axes), tuple(backwards)))


@dataclass(frozen=True, eq=False)
class Case:
    """A preprocessed scan with all that travels with it.

    Attributes:
        id: Name of the case, unique in its data set.
        image: (C, D, H, W) float32, preprocessed (CT: in [0, 1]).
        grid: Grid of `image` (array axes point to R, A, S).
        native: Grid of the scan's own file; results return to it.
        channels: Names of the channels (C); "0", "1", … unless given.
        annotation: Masks of the classes as annotated, or None.
        annotated: For each class, whether it was annotated at all (L); empty if `annotation` is None.
        extra: Extra RoI masks, (D, H, W) bool each; None for a mask that was not supplied.
        label_map: (D, H, W) int64 given partition such as an atlas, on the grid of `image`; None if none was asked for.
        label_names: What the labels of `label_map` are called, where that is known.
        body: (D, H, W) bool, the patient without the air around; None if unknown.
        shown: For each channel the values of `image` that are drawn black and white; empty: some of its percentiles.
        metadata: Facts about the patient or scan; they stay on this machine.
        fingerprint: Changes when a file of the case changes.
        origin: Where its files were found; None if it is from no file.
        notices: What had to be assumed, or looks wrong, in reading it; a sentence each, without the case's id.
    """

    id: str
    image: Tensor
    grid: Grid
    native: Grid
    channels: tuple[str, ...] = ()
    annotation: ClassMasks | None = None
    annotated: tuple[bool, ...] = ()
    extra: Mapping[str, Tensor | None] = field(default_factory=dict)
    label_map: Tensor | None = None
    label_names: Mapping[int, str] = field(default_factory=dict)
    body: Tensor | None = None
    shown: tuple[tuple[float, float], ...] = ()
    metadata: Mapping[str, str | float] = field(default_factory=dict)
    fingerprint: str = ""
    origin: Origin | None = None
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n_channels = self.image.shape[0]
        if not self.channels:
            object.__setattr__(self, "channels", tuple(map(str, range(n_channels))))
        if len(self.channels) != n_channels or len(set(self.channels)) != n_channels:
            raise CaseError(self.id, f"expected {n_channels} different names of channels, got {list(self.channels)}.")

    def to(self, device: torch.device | str) -> Case:
        """The same case with its tensors on `device`."""
        return replace(
            self,
            image=self.image.to(device),
            annotation=None if self.annotation is None else self.annotation.to(device),
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
