"""When a segmentation is too poor for its explanation to be read without care."""

from __future__ import annotations

POOR_DICE = 0.5
FEW_VOXELS = 50


def doubt(voxels: int, dice: float) -> str:
    """Why to read the explanation of a predicted class with care, in words; "" if nothing speaks against it.

    Args:
        voxels: Predicted voxels.
        dice: Dice with the annotation; NaN if that is not known.
    """
    reasons = [f"Dice {dice:.2f}"] if dice < POOR_DICE else []
    reasons += [f"{voxels} predicted voxel{'s' if voxels != 1 else ''}"] if voxels < FEW_VOXELS else []
    return f"read with care: {', '.join(reasons)}" if reasons else ""
