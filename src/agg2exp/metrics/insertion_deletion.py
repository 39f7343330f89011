"""Does the score fall fast when the most relevant supervoxels go first, and slowly when they go last?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.baselines import Baseline, as_baseline
from agg2exp.domain.case import Case
from agg2exp.domain.errors import check_range
from agg2exp.metrics.base import EvaluationMetric
from agg2exp.metrics.explained_case import ExplainedCase
from agg2exp.supervoxels import Cubes, Supervoxels

ROUNDING = 1e-5
"""Densities this close, relative to the largest mean |e|, tie: float32 gradients of one image at window batches 1 and 2
gave densities up to 1.4e-6 apart (shipped U-Net, a phantom, 64 cubes)."""


def densities(e: Tensor, partition: Tensor) -> Tensor:
    """Mean of an attribution (C, D, H, W), summed over channels, in each supervoxel, (S,) float64."""
    ids = partition.flatten()
    mass = torch.bincount(ids, e.sum(dim=0, dtype=torch.float64).flatten())
    return mass / torch.bincount(ids)


def remaining(order: Tensor, removed: Tensor) -> Tensor:
    """(N, S) bool: the supervoxels left when the first removed[n] of `order` (S,) are gone."""
    place = order.argsort()
    return place >= removed.unsqueeze(1)


def tie_ends(density: Tensor, scale: Tensor) -> Tensor:
    """How many of the supervoxels in falling order have left when a group of equal densities (S,) is complete.

    Neighbours in the order belong to one group if they are within rounding of each other.

    Returns:
        Rising counts from 0 to S, int64.
    """
    apart = -density.sort(descending=True).values.diff() > ROUNDING * scale
    inner = apart.nonzero().flatten() + 1
    return torch.cat([inner.new_tensor([0]), inner, inner.new_tensor([len(density)])])


def between_ends(ends: Tensor, removed: Tensor) -> tuple[Tensor, Tensor]:
    """Where counts (N,) lie between the tie ends around them.

    Returns:
        (M,) the ends that are needed, rising; (N, M) weights, so that weights @ f(ends) is f at the counts, with every
        order within a group counted alike as long as f is additive inside it.
    """
    above = torch.searchsorted(ends, removed)  # the first end at or above
    below = torch.where(ends[above] == removed, above, above - 1)
    share = (removed - ends[below]).double() / (ends[above] - ends[below]).clamp(min=1)
    used, place = torch.unique(torch.cat([below, above]), return_inverse=True)
    weights = torch.zeros(len(removed), len(used), dtype=torch.float64)
    rows = torch.arange(len(removed))
    weights[rows, place[: len(removed)]] += 1 - share
    weights[rows, place[len(removed) :]] += share
    return ends[used], weights


def normalised_curve(scores: Tensor) -> Tensor:
    """(f̂(α) - f̂(1)) / |f̂(0) - f̂(1)| of scores (N,) from the whole image to the whole baseline: from ±1 to 0."""
    return (scores - scores[-1]) / (scores[0] - scores[-1]).abs()


def insertion_deletion(curves: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """∫ (least relevant first - most relevant first) dα, and the two areas, (K,) each.

    >>> least, most = [[0.0, 1.0], [0.5, 1.0], [1.0, 0.0]], [[0.0, 1.0], [0.5, 0.0], [1.0, 0.0]]
    >>> insertion_deletion(torch.tensor([[least, most]]))
    (tensor([0.5000]), tensor([0.7500]), tensor([0.2500]))

    Args:
        curves: (K, 2, N, 2): the normalised scores (second of each pair) over the share α removed, least and most
            relevant first.
    """
    insertion, deletion = torch.trapezoid(curves[..., 1], curves[..., 0]).unbind(dim=1)
    return insertion - deletion, insertion, deletion


class InsertionDeletion(EvaluationMetric):
    """∫ (least relevant first - most relevant first) dα / |Δ_c|, Δ_c = f̂_c(x) - f̂_c(x′).

    Both curves show f̂_c over the share α of voxels that are occluded, supervoxel by supervoxel, in the order of the
    signed density of e_c (its mean in the supervoxel): α is counted in voxels, so the best first supervoxel is the one
    with the largest effect per voxel. |Δ_c|, since a good order makes the area positive for falling and for rising
    scores. Beside it `deletion`, the area under the curve that removes the most relevant first (lower is better), and
    `insertion`, the one that inserts the most relevant first, which is the curve that removes the least relevant
    first read backwards (higher is better); their difference is the value. The curves themselves, as points
    (α, (f̂_c(α) - f̂_c(1)) / |Δ_c|), are `most_relevant_first` and `least_relevant_first`.

    Args:
        supervoxels: What is removed at a time, by default 64 cubes, whatever the attribution itself is made of.
        steps: Points of a curve beside the whole image, at most one per supervoxel.
        baseline: x′; 0 by default.

    Raises:
        SettingError: steps < 1.
    """

    name: ClassVar[str] = "insertion_deletion"
    category: ClassVar[str] = "faithfulness"
    higher_is_better: ClassVar[bool | None] = True
    range: ClassVar[tuple[float, float]] = (-float("inf"), float("inf"))
    paper: ClassVar[str] = "Petsiuk et al. 2018, RISE; Schulz et al. 2020, Restricting the Flow"

    def __init__(
        self,
        supervoxels: Supervoxels | None = None,
        steps: int = 20,
        baseline: Baseline | Tensor | float = 0.0,
    ) -> None:
        check_range("steps", steps, 1, integer=True)
        self.supervoxels = supervoxels or Cubes(64)
        self.steps = steps
        self.baseline = as_baseline(baseline)

    def check(self, case: Case) -> None:
        """The case has what the supervoxels need."""
        self.supervoxels.for_case(case)

    def evaluate(self, case: ExplainedCase) -> Mapping[str, Tensor]:
        """{"insertion_deletion": (K,), "insertion": (K,), "deletion": (K,)} and the two curves, (K, N, 2) each.

        Each class has an order of its own.
        """
        partition = self.supervoxels.for_case(case.case)(case.image, case.prediction.masks)
        sizes = torch.bincount(partition.flatten()).cpu()
        removed = torch.linspace(0, len(sizes), min(self.steps, len(sizes)) + 1).round().long()
        baseline = self.baseline(case.image, case.rng(self.name))
        curves, unchanged = [], []
        for k, c in enumerate(case.scores.classes):
            e = case.attribution.dense(k)
            density, size = (densities(x, partition.to(e.device)).cpu() for x in (e, e.abs()))
            order, ends = density.argsort(descending=True, stable=True), tie_ends(density, size.max())
            most_ends, most_weights = between_ends(ends, removed)
            least_ends, least_weights = between_ends(len(sizes) - ends.flip(0), removed)
            most_first, least_first = remaining(order, most_ends), remaining(order.flip(0), least_ends)
            members = torch.cat([most_first, least_first[1:-1]]).to(case.image.device)
            scores = replace(case.scores, classes=(c,))  # windows without this class are then not evaluated
            values = case.model.coalition_scores(case.image, baseline, partition, members, scores)[:, 0].cpu()
            f_most, inner = values[: len(most_first)], values[len(most_first) :]
            f_least = torch.cat([f_most[:1], inner, f_most[-1:]])
            points = [
                weights @ torch.stack([1 - kept.double() @ sizes.double() / sizes.sum(), normalised_curve(f)], dim=1)
                for f, kept, weights in ((f_least, least_first, least_weights), (f_most, most_first, most_weights))
            ]
            curves.append(torch.stack(points))
            unchanged.append(bool(f_most[0] == f_most[-1]))
        both = torch.stack(curves)  # (K, 2, N, 2)
        reasons = {"its score is the same for image and baseline": torch.tensor(unchanged)}
        both[..., 1] += self.where_defined(case, torch.zeros(len(both), dtype=torch.float64), reasons)[:, None, None]
        value, insertion, deletion = insertion_deletion(both)
        return {
            self.name: value,
            "insertion": insertion,
            "deletion": deletion,
            "least_relevant_first": both[:, 0],
            "most_relevant_first": both[:, 1],
        }

    def evaluations(self, n_classes: int) -> tuple[int, int]:
        """2 · steps images for each class, fewer if patterns are equal or windows lack the class.

        Only if densities tie in many small groups are they more: a point inside a group takes its two ends.
        """
        return 2 * self.steps * n_classes, 0
