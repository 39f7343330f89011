"""How well predicted regions agree with annotated ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from agg2exp.domain.masks import ClassMasks, ExclusiveMasks


def dice_and_iou(
    masks: ClassMasks, annotation: ClassMasks, annotated: Sequence[bool]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Dice = 2 |A ∩ B| / (|A| + |B|) and IoU = |A ∩ B| / |A ∪ B| of each class.

    Args:
        masks: Where the L classes were predicted.
        annotation: Where they are.
        annotated: Whether each class was annotated (L). Of exclusive classes, background counts as annotated only if
            all others are, since it is what they leave.

    Returns:
        Dice (L,) and IoU (L,); NaN for a class that is not annotated, or absent from both.

    Raises:
        ValueError: A label is outside 0..L-1, or one of the three is of another number of classes.
    """
    n = masks.n_classes
    if (annotation.n_classes, len(annotated)) != (n, n):
        raise ValueError(
            f"annotated: expected an annotation of and one entry for each of {n} classes, "
            f"got one of {annotation.n_classes} and {len(annotated)} entries."
        )
    if isinstance(masks, ExclusiveMasks) and isinstance(annotation, ExclusiveMasks):
        both, sizes = _joint(masks, annotation)
        known = np.array([all(annotated[1:]), *annotated[1:]])
    else:
        both = np.array([float((masks.mask(c) & annotation.mask(c)).sum()) for c in range(n)])
        sizes = (masks.voxels() + annotation.voxels()).double().cpu().numpy()
        known = np.array(annotated)
    sizes = np.where(known & (sizes > 0), sizes, np.nan)
    return 2 * both / sizes, both / (sizes - both)


def _joint(masks: ExclusiveMasks, annotation: ExclusiveMasks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """|A ∩ B| and |A| + |B| of each class (L), from one joint count."""
    n = masks.n_classes
    for name, volume in (("masks", masks.label_map), ("annotation", annotation.label_map)):
        low, high = (int(x) for x in volume.aminmax())
        if low < 0 or high >= n:
            raise ValueError(f"{name}: expected labels from 0 to {n - 1}, got {low} to {high}.")
    code = masks.label_map.flatten().int() * n + annotation.label_map.flatten().int()
    joint = torch.bincount(code, minlength=n**2).reshape(n, n).double().cpu().numpy()
    return joint.diagonal(), joint.sum(axis=0) + joint.sum(axis=1)
