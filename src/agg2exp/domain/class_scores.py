"""The K scalars that are explained, as constants of one case."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class ClassScores:
    """f̂_c(x) = Σ_i 1[ŷ(i) = c] · g(i) · (f_c(x)(i) - r(i)) for every explained class c (Eq. 2 and its alternatives).

    Every score is linear in the stitched logits f(x) (L, D, H, W), because ŷ, g and the index of r are constants
    (mask policy `fixed`). As the masks of the classes are disjoint, one volume g serves all of them.

    Attributes:
        classes: Label indices of the explained classes (K).
        labels: (D, H, W) int16, ŷ; a voxel with -1 belongs to no class.
        weights: (D, H, W), g.
        runner_up: (D, H, W) int16 class s(i) with r(i) = f_s(i)(x)(i), or None for r = 0.
    """

    classes: tuple[int, ...]
    labels: Tensor
    weights: Tensor
    runner_up: Tensor | None = None
