"""How well predicted regions agree with annotated ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def dice_and_iou(
    prediction_labels: Tensor, labels: Tensor, annotated: Sequence[bool], n_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Dice = 2 |A ∩ B| / (|A| + |B|) and IoU = |A ∩ B| / |A ∪ B| of each class, from one joint count.

    Args:
        prediction_labels: (D, H, W) ŷ.
        labels: (D, H, W) annotated label map.
        annotated: Whether each class was annotated (L). Background counts as annotated only if all others
            are, since it is what they leave.
        n_classes: L.

    Returns:
        Dice (L,) and IoU (L,); NaN for a class that is not annotated, or absent from both.

    Raises:
        ValueError: A label is outside 0..L-1, or `annotated` has not L entries.
    """
    if len(annotated) != n_classes:
        raise ValueError(f"annotated: expected one entry for each of {n_classes} classes, got {len(annotated)}.")
    for name, volume in (("prediction_labels", prediction_labels), ("labels", labels)):
        low, high = (int(x) for x in volume.aminmax())
        if low < 0 or high >= n_classes:
            raise ValueError(f"{name}: expected labels from 0 to {n_classes - 1}, got {low} to {high}.")
    code = prediction_labels.flatten().int() * n_classes + labels.flatten().int()
    joint = torch.bincount(code, minlength=n_classes**2).reshape(n_classes, n_classes).double().cpu().numpy()
    both, sizes = joint.diagonal(), joint.sum(axis=0) + joint.sum(axis=1)
    known = np.array([all(annotated[1:]), *annotated[1:]])
    sizes = np.where(known & (sizes > 0), sizes, np.nan)
    return 2 * both / sizes, both / (sizes - both)
