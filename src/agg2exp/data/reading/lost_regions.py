"""Regions that a scan has and its preprocessed form has not: too small for the model's grid, or cropped away.

They are unknown (NaN), not empty: an importance of 0 would say that the model does not look there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from agg2exp.domain.labels import Labels
from agg2exp.domain.roles import Notice

Masks = Mapping[str, NDArray[np.bool_]]
REMEDY = "data.resample=any keeps small masks."


class LostRegions:
    """Compares regions before and after resampling, and says what is gone.

    Args:
        spacing: mm between voxels after resampling, named in the notices.
        notice: Told of each region that is gone, in a sentence without the case's id.
    """

    def __init__(self, spacing: Sequence[float], notice: Notice) -> None:
        voxel = " x ".join(f"{mm:g}" for mm in spacing)
        self._where = f"lies in the scan but has no voxel left at {voxel} mm, as it is too small or was cropped away"
        self.notice = notice

    def masks(self, before: Masks, after: Masks) -> dict[str, Tensor | None]:
        """Resampled masks (D', H', W') by name; None for one that is gone."""
        kept: dict[str, Tensor | None] = {}
        for name, mask in before.items():
            gone = bool(mask.any()) and not after[name].any()
            kept[name] = None if gone else torch.from_numpy(after[name])
            if gone:
                self.notice(f"the mask {name} {self._where}: its importance is unknown (NaN). {REMEDY}")
        return kept

    def annotated(
        self, known: Sequence[bool], labels: Labels, before: NDArray[Any], after: NDArray[Any]
    ) -> tuple[bool, ...]:
        """Which classes are annotated after resampling (L): those that were, but for the ones that are gone.

        Args:
            known: Whether each class was annotated (L).
            labels: The classes (L).
            before: On the scan's grid, the label map (D, H, W) of exclusive classes, or masks (L, D, H, W).
            after: The same after resampling.
        """
        there = _labels if labels.exclusive else _masks
        gone = there(before) - there(after)
        for c in sorted(gone):
            self.notice(
                f"the annotated class {labels.classes[c]} {self._where}: its Dice and IoU are unknown (NaN)"
                + (", and background's with them." if labels.exclusive else ".")
            )
        return tuple(yes and c not in gone for c, yes in enumerate(known))

    def partition(self, before: NDArray[Any], after: NDArray[Any]) -> None:
        """Say if labels of a partition are gone; they have no supervoxel."""
        if _labels(before) - _labels(after):
            self.notice(f"a label of the label map {self._where}, and so no supervoxel.")


def _labels(volume: NDArray[Any]) -> set[int]:
    return set(pd.unique(volume.ravel()).tolist())


def _masks(bits: NDArray[np.bool_]) -> set[int]:
    return {c for c, mask in enumerate(bits) if mask.any()}
