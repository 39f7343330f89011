"""Regions of interest of one case, in the form that sums over them need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Regions:
    """A partition of the volume plus masks that may overlap it.

    Column r < R_0 of every result is part r of the partition, column R_0 + j is mask j.

    Attributes:
        partition: (D, H, W) integer ids in 0..n_parts-1; every voxel belongs to one part.
        n_parts: R_0; parts without voxels are allowed.
        masks: (M, D, H, W) bool, M may be 0.
    """

    partition: Tensor
    n_parts: int
    masks: Tensor

    @property
    def n_regions(self) -> int:
        """R = R_0 + M."""
        return self.n_parts + self.masks.shape[0]

    def voxels(self) -> Tensor:
        """Voxels of each region, (R,) int64."""
        parts = torch.bincount(self.partition.flatten(), minlength=self.n_parts)
        return torch.cat([parts, self.masks.flatten(1).sum(dim=1)])

    def membership(self, chunk: int, dtype: torch.dtype) -> Iterator[tuple[slice, Tensor]]:
        """Yield (slice of the flattened volume, its (voxels, R) zero-one membership matrix).

        The matrices share one buffer: each is valid until the next one is asked for.
        """
        ids, masks = self.partition.flatten(), self.masks.flatten(1)
        parts = torch.arange(self.n_parts, dtype=ids.dtype, device=ids.device).unsqueeze(1)
        buffer = torch.empty(self.n_regions, chunk, dtype=dtype, device=ids.device)
        for start in range(0, ids.numel(), chunk):
            part = slice(start, min(start + chunk, ids.numel()))
            matrix = buffer[:, : part.stop - start]
            torch.eq(ids[part], parts, out=matrix[: self.n_parts])
            matrix[self.n_parts :] = masks[:, part]
            yield part, matrix.T
