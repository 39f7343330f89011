"""Regions that a scan has and its preprocessed form has not: too small for the model's grid.

They are unknown (NaN), not empty: an importance of 0 would say that the model does not look there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from agg2exp.domain.roles import Notice

REMEDY = "data.resample=any keeps small masks."


class LostRegions:
    """Compares regions before and after resampling, and says what is gone.

    Args:
        spacing: mm between voxels after resampling, named in the notices.
        notice: Told of each region that is gone, in a sentence without the case's id.
    """

    def __init__(self, spacing: Sequence[float], notice: Notice) -> None:
        self._where = f"lies in the scan but has no voxel left at {' x '.join(f'{mm:g}' for mm in spacing)} mm"
        self._notice = notice

    def masks(self, before: Mapping[str, NDArray[np.bool_]], after: Tensor) -> dict[str, Tensor | None]:
        """Resampled masks (M, D', H', W') by name; None for one that is gone."""
        kept: dict[str, Tensor | None] = {}
        for (name, mask), resampled in zip(before.items(), after.bool(), strict=True):
            gone = bool(mask.any()) and not resampled.any()
            kept[name] = None if gone else resampled
            if gone:
                self._notice(f"the mask {name} {self._where}: its importance is unknown (NaN). {REMEDY}")
        return kept

    def annotated(
        self, known: Sequence[bool], classes: Sequence[str], before: NDArray[Any], after: Tensor
    ) -> tuple[bool, ...]:
        """Which classes are annotated after resampling (L): those that were, but for the ones that are gone.

        Args:
            known: Whether each class was annotated (L).
            classes: Names of the classes (L).
            before: The label map on the scan's grid.
            after: The label map after resampling.
        """
        gone = _labels(before) - _labels(after.numpy())
        for c in sorted(gone):
            self._notice(
                f"the annotated class {classes[c]} {self._where}: its Dice and IoU are unknown (NaN), "
                "and background's with them."
            )
        return tuple(yes and c not in gone for c, yes in enumerate(known))

    def partition(self, before: NDArray[Any], after: Tensor) -> None:
        """Say if labels of a partition are gone; they have no supervoxel."""
        if _labels(before) - _labels(after.numpy()):
            self._notice(f"a label of the label map {self._where}, and so no supervoxel.")


def _labels(volume: NDArray[Any]) -> set[int]:
    return set(pd.unique(volume.ravel()).tolist())
