"""The scores inside one window."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from agg2exp.domain.class_scores import ClassScores
from agg2exp.inference.sliding_window import WindowPlan


@dataclass(frozen=True, eq=False)
class Target:
    """Constants of the scores inside one window.

    Attributes:
        labels: (d, h, w) class map, -1 for none.
        weights: (d, h, w), b_w ⊙ g.
        runner_up: (d, h, w) class whose logit is subtracted, or None.
        classes: Explained classes that have weight here.
    """

    labels: Tensor
    weights: Tensor
    runner_up: Tensor | None
    classes: tuple[int, ...]

    def score(self, logits: Tensor, width: int) -> Tensor:
        """⟨b_w ⊙ weights_c[w], logits⟩ of the logits (L, d, h, w) of one window: (width,) float64, class c at c + 1."""
        index = self.labels.long().unsqueeze(0)
        value = logits.gather(0, index.clamp(min=0))
        if self.runner_up is not None:
            value = value - logits.gather(0, self.runner_up.long().unsqueeze(0))
        return torch.bincount(index.flatten() + 1, (value[0] * self.weights).double().flatten(), minlength=width)

    def fill(self, cotangent: Tensor, c: int) -> None:
        """Write b_w ⊙ weights_c[w] into a zero cotangent (L, d, h, w)."""
        weight = torch.where(self.labels == c, self.weights, 0)
        cotangent[c] = weight
        if self.runner_up is not None:
            cotangent.scatter_add_(0, self.runner_up.long().unsqueeze(0), -weight.unsqueeze(0))


def targets(plan: WindowPlan, scores: ClassScores) -> dict[int, Target]:
    """Of the windows that an explained class touches, by the window's index in the plan."""
    labels = pad(scores.labels, plan.padding, value=-1)
    weights = pad(scores.weights, plan.padding)
    runner_up = None if scores.runner_up is None else pad(scores.runner_up, plan.padding)
    wanted = set(scores.classes)
    found = {}
    for w, window in enumerate(plan.windows):
        inside, share = labels[window], weights[window] * plan.blend(w)
        counts = torch.bincount((inside[share != 0].long() + 1).flatten()).tolist()
        classes = tuple(c for c in range(len(counts) - 1) if counts[c + 1] and c in wanted)
        if classes:
            found[w] = Target(inside, share, None if runner_up is None else runner_up[window], classes)
    return found


def n_bins(scores: ClassScores) -> int:
    """Bins for the labels from -1 on."""
    return max(*scores.classes, int(scores.labels.max())) + 2
