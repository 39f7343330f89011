"""When an explanation is to be read with care."""

from __future__ import annotations

import math

import pytest

from agg2exp.domain.doubt import doubt


@pytest.mark.parametrize(
    ("voxels", "dice", "words"),
    [
        (50, 0.5, ""),
        (5000, math.nan, ""),
        (5000, 0.494, "read with care: Dice 0.49"),
        (49, math.nan, "read with care: 49 predicted voxels"),
        (1, 0.0, "read with care: Dice 0.00, 1 predicted voxel"),
    ],
)
def test_a_poor_or_tiny_class_is_doubted(voxels: int, dice: float, words: str):
    assert doubt(voxels, dice) == words
