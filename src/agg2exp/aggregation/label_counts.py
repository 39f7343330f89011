"""Voxels per class of a label map, after checking that it is one."""

from __future__ import annotations

import torch
from torch import Tensor

from agg2exp.domain.errors import CaseError


def label_counts(case_id: str, what: str, labels: Tensor, n_classes: int) -> Tensor:
    """Count the voxels of each class.

    Args:
        case_id: Named in the error.
        what: Which label map, in words, named in the error.
        labels: (D, H, W) integer label map.
        n_classes: L.

    Returns:
        (L,) int64.

    Raises:
        CaseError: A label lies outside 0..L-1 (-1 marks padding, which has to be cropped away first).
    """
    low, high = (int(x) for x in labels.aminmax())
    if low < 0 or high >= n_classes:
        raise CaseError(
            case_id,
            f"expected labels from 0 to {n_classes - 1} in {what}, got {low} to {high}. "
            "Crop padding (label -1) away, and check that the label scheme belongs to this model.",
        )
    return torch.bincount(labels.flatten(), minlength=n_classes)
