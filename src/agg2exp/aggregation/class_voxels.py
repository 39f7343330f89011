"""Voxels per class of masks, after checking that they are masks of the model's classes."""

from __future__ import annotations

from torch import Tensor

from agg2exp.domain.errors import CaseError
from agg2exp.domain.masks import ClassMasks, ExclusiveMasks


def class_voxels(case_id: str, what: str, masks: ClassMasks, n_classes: int) -> Tensor:
    """Count the voxels of each class.

    Args:
        case_id: Named in the error.
        what: Which masks, in words, named in the error.
        masks: Exclusive or overlapping.
        n_classes: L.

    Returns:
        (L,) int64.

    Raises:
        CaseError: The masks are of another number of classes, or a label lies outside 0..L-1 (-1 marks padding, which
            has to be cropped away first).
    """
    if masks.n_classes != n_classes:
        raise CaseError(
            case_id,
            f"expected {n_classes} classes in {what}, got {masks.n_classes}. "
            "Check that the labels belong to this model.",
        )
    if isinstance(masks, ExclusiveMasks):
        low, high = (int(x) for x in masks.label_map.aminmax())
        if low < 0 or high >= n_classes:
            raise CaseError(
                case_id,
                f"expected labels from 0 to {n_classes - 1} in {what}, got {low} to {high}. "
                "Crop padding (label -1) away, and check that the labels belong to this model.",
            )
    return masks.voxels()
