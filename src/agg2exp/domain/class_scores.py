"""The K scalars that are explained, as constants of one case or taken anew at every perturbed image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from agg2exp.domain.errors import SettingError
from agg2exp.domain.prediction import Prediction


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

    def __post_init__(self) -> None:
        for name in ("weights", "runner_up"):
            volume = getattr(self, name)
            if volume is not None and volume.shape != self.labels.shape:
                allowed = f"the shape of the labels {tuple(self.labels.shape)}"
                raise SettingError(f"scores.{name}", tuple(volume.shape), allowed)

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise `SettingError` if they were made for a volume of another shape."""
        if self.labels.shape != shape:
            came, allowed = tuple(self.labels.shape), f"scores of a volume of the image's shape {shape}"
            raise SettingError("scores", f"those of a volume {came}", allowed, "Make them from model.predict(image).")

    def equals(self, other: ClassScores) -> bool:
        """Whether the other scores are the same, number by number."""
        return self.classes == other.classes and all(
            _same(getattr(self, name), getattr(other, name)) for name in ("labels", "weights", "runner_up")
        )

    def copy(self) -> ClassScores:
        """The same scores in memory of their own."""
        runner_up = None if self.runner_up is None else self.runner_up.clone()
        return ClassScores(self.classes, self.labels.clone(), self.weights.clone(), runner_up)

    def is_of(self, prediction: Prediction) -> bool:
        """Whether masks and runner-up are those of the prediction itself, so that `value_at` holds."""
        return _same(self.labels, prediction.labels) and (
            self.runner_up is None or _same(self.runner_up, prediction.runner_up)
        )

    def value_at(self, prediction: Prediction) -> Tensor:
        """f̂_c at the image that the prediction was made from, (K,) float64; see `is_of`."""
        value = prediction.top_logit
        if self.runner_up is not None:
            value = value - prediction.runner_up_logit
        summands = (value * self.weights).double().flatten()
        total = torch.bincount(self.labels.flatten().long(), summands, minlength=prediction.n_classes)
        return total[list(self.classes)]


@dataclass(frozen=True, eq=False)
class RecomputedScores:
    """Mask policy `recomputed`: masks and weights from the prediction at each perturbed image (Eq. 2 read literally).

    Still nothing differentiates through the argmax.

    Attributes:
        classes: Label indices of the explained classes (K).
        labels: (D, H, W) int16, ŷ at the unperturbed image; semantic supervoxels come from it.
        rule: Makes the constants from a prediction.
    """

    classes: tuple[int, ...]
    labels: Tensor
    rule: Callable[[Prediction], ClassScores]

    def at(self, prediction: Prediction) -> ClassScores:
        """The constants at the image that the prediction was made from; the rule gets a copy, which it may change."""
        return replace(self.rule(prediction.copy()), classes=self.classes)


def _same(a: Tensor | None, b: Tensor | None) -> bool:
    """Equal in shape, dtype, device and values, or both None."""
    if a is None or b is None or a is b:
        return a is b
    return a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)


Scores = ClassScores | RecomputedScores
