"""The K scalars that are explained, as constants of one case or taken anew at every perturbed image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from agg2exp.domain.errors import SettingError
from agg2exp.domain.masks import ClassMasks, ExclusiveMasks
from agg2exp.domain.prediction import Prediction, PredictionLayer


@dataclass(frozen=True, eq=False)
class ScoreLayer:
    """Constants of the scores of classes whose masks are disjoint: one volume g serves all of them.

    Attributes:
        label_map: (D, H, W) int16, ŷ; a voxel with -1 belongs to no class of this layer.
        weights: (D, H, W), g.
        runner_up: (D, H, W) int16 class s(i) with r(i) = f_s(i)(x)(i), or None for r = 0.
    """

    label_map: Tensor
    weights: Tensor
    runner_up: Tensor | None = None

    def __post_init__(self) -> None:
        for name in ("weights", "runner_up"):
            volume = getattr(self, name)
            if volume is not None and volume.shape != self.label_map.shape:
                allowed = f"the shape of the label map {tuple(self.label_map.shape)}"
                raise SettingError(f"scores.{name}", tuple(volume.shape), allowed)

    def equals(self, other: ScoreLayer) -> bool:
        """Whether the other layer is the same, number by number."""
        return all(_same(getattr(self, name), getattr(other, name)) for name in ("label_map", "weights", "runner_up"))

    def copy(self) -> ScoreLayer:
        """The same layer in memory of its own."""
        runner_up = None if self.runner_up is None else self.runner_up.clone()
        return ScoreLayer(self.label_map.clone(), self.weights.clone(), runner_up)

    def is_of(self, layer: PredictionLayer) -> bool:
        """Whether masks and runner-up are those of the prediction itself."""
        return _same(self.label_map, layer.label_map) and (
            self.runner_up is None or _same(self.runner_up, layer.runner_up)
        )

    def value_at(self, layer: PredictionLayer) -> Tensor:
        """Scores of all classes at the image that the prediction was made from, (L,) float64; see `is_of`."""
        value = layer.top_logit
        if self.runner_up is not None and layer.runner_up_logit is not None:
            value = value - layer.runner_up_logit
        summands = (value * self.weights).double().flatten()
        return torch.bincount(self.label_map.flatten().long() + 1, summands, minlength=layer.n_classes + 1)[1:]


@dataclass(frozen=True, eq=False)
class ClassScores:
    """f̂_c(x) = Σ_i m_c(i) · g_c(i) · (f_c(x)(i) - r_c(i)) for every explained class c (Eq. 2 and its alternatives).

    Every score is linear in the stitched logits f(x) (L, D, H, W), because the masks m, g and the index of r are
    constants (mask policy `fixed`). Classes that exclude each other share one layer; overlapping ones have one each.

    Attributes:
        classes: Label indices of the explained classes (K).
        layers: What the scores are made of; the score of a class is summed over them.
        masks: Where the classes are predicted; semantic supervoxels come from it.
    """

    classes: tuple[int, ...]
    layers: tuple[ScoreLayer, ...]
    masks: ClassMasks

    @classmethod
    def of(cls, classes: tuple[int, ...], label_map: Tensor, weights: Tensor, runner_up: Tensor | None = None) -> Self:
        """Scores of classes that exclude each other, see `ScoreLayer`."""
        n_classes = max(*classes, int(label_map.max())) + 1
        return cls(classes, (ScoreLayer(label_map, weights, runner_up),), ExclusiveMasks(label_map, n_classes))

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise `SettingError` if they were made for a volume of another shape."""
        for came in (tuple(layer.label_map.shape) for layer in self.layers):
            if came != shape:
                allowed = f"scores of a volume of the image's shape {shape}"
                raise SettingError(
                    "scores", f"those of a volume {came}", allowed, "Make them from model.predict(image)."
                )

    def equals(self, other: ClassScores) -> bool:
        """Whether the other scores are the same, number by number."""
        return (
            self.classes == other.classes
            and len(self.layers) == len(other.layers)
            and all(a.equals(b) for a, b in zip(self.layers, other.layers, strict=True))
        )

    def copy(self) -> ClassScores:
        """The same scores in memory of their own."""
        return replace(self, layers=tuple(layer.copy() for layer in self.layers))

    def is_of(self, prediction: Prediction) -> bool:
        """Whether masks and runner-up are those of the prediction itself, so that `value_at` holds."""
        return len(self.layers) == len(prediction.layers) and all(
            own.is_of(layer) for own, layer in zip(self.layers, prediction.layers, strict=True)
        )

    def value_at(self, prediction: Prediction) -> Tensor:
        """f̂_c at the image that the prediction was made from, (K,) float64; see `is_of`."""
        values = [own.value_at(layer) for own, layer in zip(self.layers, prediction.layers, strict=True)]
        return torch.stack(values).sum(dim=0)[list(self.classes)]


@dataclass(frozen=True, eq=False)
class RecomputedScores:
    """Mask policy `recomputed`: masks and weights from the prediction at each perturbed image (Eq. 2 read literally).

    Still nothing differentiates through the argmax.

    Attributes:
        classes: Label indices of the explained classes (K).
        masks: Where the classes are predicted at the unperturbed image; semantic supervoxels come from it.
        rule: Makes the constants from a prediction.
    """

    classes: tuple[int, ...]
    masks: ClassMasks
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
