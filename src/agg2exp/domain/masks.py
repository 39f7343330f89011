"""Where the classes of a case are, as predicted or as annotated: exclusive, or overlapping."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from agg2exp.domain.errors import SettingError


@dataclass(frozen=True, eq=False)
class Cells:
    """A partition of the volume in which each source region is a union of parts.

    Attributes:
        ids: (D, H, W) integer part of every voxel, 0..Q-1; parts without voxels are allowed.
        members: (Q, S) bool, whether a part belongs to a source. Exclusive classes: the identity.
    """

    ids: Tensor
    members: Tensor


class ClassMasks(ABC):
    """The masks of L classes over (D, H, W) voxels, however they are stored."""

    @property
    @abstractmethod
    def n_classes(self) -> int:
        """L."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """(D, H, W)."""

    @abstractmethod
    def mask(self, c: int) -> Tensor:
        """Voxels of class c, (D, H, W) bool."""

    @abstractmethod
    def voxels(self) -> Tensor:
        """Number of voxels of each class, (L,) int64."""

    @abstractmethod
    def foreground(self) -> Tensor:
        """Voxels of any class but the background, (D, H, W) bool."""

    @abstractmethod
    def cells(self) -> Cells:
        """The partition that the masks make, and the source regions as unions of its parts.

        Sources are the L classes where these are exclusive (background is one of them), else background ("no region")
        and then the L classes.
        """

    @abstractmethod
    def to(self, device: torch.device | str) -> ClassMasks:
        """The same masks on `device`."""


@dataclass(frozen=True, eq=False)
class ExclusiveMasks(ClassMasks):
    """Every voxel belongs to one class: a label map.

    Attributes:
        label_map: (D, H, W) int16, 0..L-1.
        n_classes: L.
    """

    label_map: Tensor
    n_classes: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """(D, H, W)."""
        return tuple(self.label_map.shape)

    def mask(self, c: int) -> Tensor:
        """ŷ = c."""
        return self.label_map == c

    def voxels(self) -> Tensor:
        """One count over the labels."""
        return torch.bincount(self.label_map.flatten().long(), minlength=self.n_classes)

    def foreground(self) -> Tensor:
        """ŷ ≠ 0."""
        return self.label_map != 0

    def cells(self) -> Cells:
        """The label map itself."""
        return Cells(self.label_map, torch.eye(self.n_classes, dtype=torch.bool, device=self.label_map.device))

    def to(self, device: torch.device | str) -> ExclusiveMasks:
        """The same masks on `device`."""
        return ExclusiveMasks(self.label_map.to(device), self.n_classes)


@dataclass(frozen=True, eq=False)
class OverlappingMasks(ClassMasks):
    """A voxel may belong to several classes, or to none.

    Attributes:
        bits: (L, D, H, W) bool.
    """

    bits: Tensor

    def __post_init__(self) -> None:
        if self.bits.ndim != 4 or self.bits.dtype != torch.bool:
            raise SettingError("bits", f"{self.bits.dtype} {tuple(self.bits.shape)}", "bool (L, D, H, W)")

    @property
    def n_classes(self) -> int:
        """L."""
        return self.bits.shape[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """(D, H, W)."""
        return tuple(self.bits.shape[1:])

    def mask(self, c: int) -> Tensor:
        """The mask of class c."""
        return self.bits[c]

    def voxels(self) -> Tensor:
        """One count per mask."""
        return self.bits.flatten(1).sum(dim=1)

    def foreground(self) -> Tensor:
        """The union of the masks."""
        return self.bits.any(dim=0)

    def cells(self) -> Cells:
        """The combinations of classes that occur, that of no class first."""
        ids = torch.zeros(self.shape, dtype=torch.int64, device=self.bits.device)
        members = torch.zeros(1, self.n_classes, dtype=torch.bool, device=self.bits.device)
        for c, mask in enumerate(self.bits):
            code = 2 * ids + mask
            occurs = torch.bincount(code.flatten(), minlength=2 * len(members)) > 0
            occurs[0] = True  # the part of no class, even if it has no voxels
            codes, ids = occurs.nonzero().flatten(), (occurs.cumsum(0) - 1)[code]
            members = members[codes // 2]
            members[:, c] = codes % 2 == 1
        return Cells(ids, torch.cat([~members.any(dim=1, keepdim=True), members], dim=1))

    def to(self, device: torch.device | str) -> OverlappingMasks:
        """The same masks on `device`."""
        return OverlappingMasks(self.bits.to(device))
