"""The scores inside one window."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from agg2exp.domain.class_scores import ClassScores, ScoreLayer
from agg2exp.inference.sliding_window import WindowPlan


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """Constants of one layer of the scores inside one window.

    Attributes:
        label_map: (d, h, w) class map, -1 for none.
        weights: (d, h, w), b_w ⊙ g.
        runner_up: (d, h, w) class whose logit is subtracted, or None.
        classes: Explained classes that have weight here.
    """

    label_map: Tensor
    weights: Tensor
    runner_up: Tensor | None
    classes: tuple[int, ...]

    def score(self, logits: Tensor, width: int) -> Tensor:
        """See `WindowWeights.score`."""
        index = self.label_map.long().unsqueeze(0)
        value = logits.gather(0, index.clamp(min=0))
        if self.runner_up is not None:
            value = value - logits.gather(0, self.runner_up.long().unsqueeze(0))
        return torch.bincount(index.flatten() + 1, (value[0] * self.weights).double().flatten(), minlength=width)

    def fill(self, cotangent: Tensor, c: int) -> None:
        """See `WindowWeights.fill`."""
        weight = torch.where(self.label_map == c, self.weights, 0)
        cotangent[c] += weight
        if self.runner_up is not None:
            cotangent.scatter_add_(0, self.runner_up.long().unsqueeze(0), -weight.unsqueeze(0))


@dataclass(frozen=True, eq=False)
class WindowWeights:
    """Constants of the scores inside one window, b_w ⊙ weights_c[w].

    Attributes:
        layers: Those in which an explained class has weight here.
        classes: Explained classes that have weight here, in rising order.
    """

    layers: tuple[LayerWeights, ...]
    classes: tuple[int, ...]

    def score(self, logits: Tensor, width: int) -> Tensor:
        """⟨b_w ⊙ weights_c[w], logits⟩ of the logits (L, d, h, w) of one window: (width,) float64, class c at c + 1."""
        total = self.layers[0].score(logits, width)
        for layer in self.layers[1:]:
            total += layer.score(logits, width)
        return total

    def fill(self, cotangent: Tensor, c: int) -> None:
        """Write b_w ⊙ weights_c[w] into a zero cotangent (L, d, h, w)."""
        for layer in self.layers:
            if c in layer.classes:
                layer.fill(cotangent, c)


def window_weights(plan: WindowPlan, scores: ClassScores) -> dict[int, WindowWeights]:
    """Of the windows that an explained class touches, by the window's index in the plan."""
    layers = [_by_window(plan, layer, set(scores.classes)) for layer in scores.layers]
    found = {}
    for w in range(len(plan.windows)):
        here = tuple(layer[w] for layer in layers if w in layer)
        if here:
            found[w] = WindowWeights(here, tuple(sorted({c for layer in here for c in layer.classes})))
    return found


def _by_window(plan: WindowPlan, layer: ScoreLayer, wanted: set[int]) -> dict[int, LayerWeights]:
    """One layer in the windows where it has weight of a wanted class."""
    label_map = pad(layer.label_map, plan.padding, value=-1)
    weights = pad(layer.weights, plan.padding)
    runner_up = None if layer.runner_up is None else pad(layer.runner_up, plan.padding)
    found = {}
    for w, window in enumerate(plan.windows):
        inside, share = label_map[window], weights[window] * plan.blend(w)
        counts = torch.bincount((inside[share != 0].long() + 1).flatten()).tolist()
        classes = tuple(c for c in range(len(counts) - 1) if counts[c + 1] and c in wanted)
        if classes:
            found[w] = LayerWeights(inside, share, None if runner_up is None else runner_up[window], classes)
    return found


def n_bins(scores: ClassScores) -> int:
    """Bins for the labels from -1 on."""
    return max(*scores.classes, *(int(layer.label_map.max()) for layer in scores.layers)) + 2
