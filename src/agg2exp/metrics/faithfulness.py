"""Does removing voxels change the score as much as their attribution says?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
from torch import Generator, Tensor

from agg2exp.baselines import Baseline, as_baseline
from agg2exp.domain.case import Case
from agg2exp.domain.description import kind, text
from agg2exp.domain.errors import SettingError, check_choice, check_range
from agg2exp.metrics.base import EvaluationMetric
from agg2exp.metrics.correlation import constant, pearson, spearman
from agg2exp.metrics.explained_case import ExplainedCase

CORRELATIONS = {"pearson": pearson, "spearman": spearman}


def faithfulness(sums: Tensor, drops: Tensor, correlation: str = "pearson") -> Tensor:
    """corr_k( Σ_{i∈S_k} ē_c(i), f̂_c(x) - f̂_c(x_{S_k}) ) over n subsets (Eq. 8), (K,) float64.

    >>> faithfulness(torch.tensor([[0.1], [0.2], [0.4]]), torch.tensor([[1.0], [2.0], [4.0]]))
    tensor([1.0000], dtype=torch.float64)

    Args:
        sums: Σ_{i∈S_k} ē_c(i), (n, K).
        drops: f̂_c(x) - f̂_c(x_{S_k}), (n, K).
        correlation: "pearson" or "spearman".
    """
    return CORRELATIONS[correlation](sums, drops)


def subset(p: int, m: int, generator: Generator) -> Tensor:
    """m of p voxels without replacement, sorted flat indices (m,) int64; every subset is equally likely.

    Indices are drawn with replacement, and those missing drawn again: p numbers need not be shuffled for few of them.
    """
    drawn: Tensor = torch.unique(torch.randint(p, (m,), generator=generator))
    while len(drawn) < m:
        more = torch.randint(p, (m - len(drawn),), generator=generator)
        drawn = torch.unique(torch.cat([drawn, more]))
    return drawn


def occluded(image: Tensor, baseline: Tensor, voxels: Tensor) -> Tensor:
    """x_S: an image (C, D, H, W) with all channels of the voxels S (flat indices) taken from another one."""
    flat, at = image.flatten(1).clone(), voxels.to(image.device)
    flat[:, at] = baseline.flatten(1)[:, at]
    return flat.view_as(image)


class Faithfulness(EvaluationMetric):
    """corr_k( Σ_{i∈S_k} ē_c(i), f̂_c(x) - f̂_c(x_{S_k}) ), k = 1..n (Eq. 8).

    S_k are subsets of m voxels drawn without replacement, ē = e / max|e|, and x_S is x with the voxels of S taken
    from the baseline. A voxel is all its channels. The perturbed scores depend neither on the class nor on the
    attribution method: they are computed once for all classes and kept.

    Args:
        n_subsets: n.
        subset_size: m; it must be below half of the p voxels, beyond which all subsets are nearly the same.
        subset_fraction: Or m / p, with subset_size None.
        correlation: "pearson" or "spearman".
        baseline: What removed voxels show; 0 by default.
        mask_policy: "fixed" or "recomputed" (as the published benchmark) for the perturbed scores; None as the run.

    Raises:
        SettingError: n < 3, not exactly one of subset_size and subset_fraction, or another value that is not allowed.
            In `check` and `evaluate`: m < 1 or m >= p / 2.
    """

    name: ClassVar[str] = "faithfulness"
    category: ClassVar[str] = "faithfulness"
    higher_is_better: ClassVar[bool | None] = True
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    paper: ClassVar[str] = "Bhatt et al. 2020, Evaluating and Aggregating Feature-based Model Explanations"

    def __init__(
        self,
        n_subsets: int = 100,
        subset_size: int | None = 224**2,
        subset_fraction: float | None = None,
        correlation: str = "pearson",
        baseline: Baseline | Tensor | float = 0.0,
        mask_policy: str | None = None,
    ) -> None:
        check_range("n_subsets", n_subsets, 3, integer=True)
        check_choice("correlation", correlation, CORRELATIONS)
        if mask_policy is not None:
            check_choice("mask_policy", mask_policy, ("fixed", "recomputed"))
        if (subset_size is None) == (subset_fraction is None):
            raise SettingError(
                "subset_fraction", subset_fraction, "either subset_fraction or subset_size, the other null"
            )
        if subset_size is not None:
            check_range("subset_size", subset_size, 1, integer=True)
        if subset_fraction is not None:
            check_range("subset_fraction", subset_fraction, 0, 0.5, below=True)
        self.n_subsets = n_subsets
        self.subset_size = subset_size
        self.subset_fraction = subset_fraction
        self.correlation = correlation
        self.baseline = as_baseline(baseline)
        self.mask_policy = mask_policy

    def size(self, image: Tensor) -> int:
        """m for an image (C, D, H, W)."""
        fraction = self.subset_fraction
        return self.subset_size or 0 if fraction is None else round(fraction * image[0].numel())

    def check(self, case: Case) -> None:
        """1 <= m < p/2."""
        p, m = case.image[0].numel(), self.size(case.image)
        if not 1 <= m < p / 2:
            raise SettingError(
                "subset_size" if self.subset_fraction is None else "subset_fraction",
                m if self.subset_fraction is None else self.subset_fraction,
                f"1 <= m < p/2 voxels, as subsets of half of the image are nearly all the same (case {case.id}: "
                f"p = {p}, m = {m})",
                "Set metric.faithfulness.subset_size=null metric.faithfulness.subset_fraction=0.1, say, which follows "
                "the size of each image.",
            )

    def evaluate(self, case: ExplainedCase) -> Mapping[str, Tensor]:
        """{"faithfulness": (K,)}; n + 1 evaluations of the image unless they are kept from before."""
        self.check(case.case)
        kept = case.cache.get("faithfulness", self._key(case), lambda: {"scores": self._scores(case).numpy()})
        scores = torch.as_tensor(kept["scores"])
        drops = scores[0] - scores[1:]
        sums = torch.stack([case.attribution.subset_sum(voxels).cpu() for voxels in self._subsets(case)]) / case.peaks
        reasons = {
            "no subset changes its score more than another": constant(drops),
            "no subset has more of its attribution than another": constant(sums),
        }
        return {self.name: self.where_defined(case, faithfulness(sums, drops, self.correlation), reasons)}

    def evaluations(self, n_classes: int) -> tuple[int, int]:
        """x and n perturbed images."""
        return self.n_subsets + 1, 0

    def _subsets(self, case: ExplainedCase) -> Iterator[Tensor]:
        rng, p, m = case.rng(self.name), case.image[0].numel(), self.size(case.image)
        return (subset(p, m, rng.generator("subset", k)) for k in range(self.n_subsets))

    def _scores(self, case: ExplainedCase) -> Tensor:
        """f̂_c of x and of x_{S_k}, (1 + n, K) float64; several images fill a window batch."""
        baseline = self.baseline(case.image, case.rng(self.name))
        scores = case.scores_by(self.mask_policy)
        found, images = [], [case.image]
        for voxels in self._subsets(case):
            if len(images) == case.model.windows.batch:
                found.append(case.model.scores(torch.stack(images), scores))
                images = []
            images.append(occluded(case.image, baseline, voxels))
        found.append(case.model.scores(torch.stack(images), scores))
        return torch.cat(found).cpu()

    def _key(self, case: ExplainedCase) -> dict[str, str]:
        """All that the perturbed scores depend on."""
        return {
            **case.key,
            "case": case.case.id,
            "classes": ",".join(map(str, case.scores.classes)),
            "seed": str(case.asked.seed),
            "metric": kind(type(self)),
            "baseline": text(self.baseline),
            "n_subsets": str(self.n_subsets),
            "subset_size": str(self.size(case.image)),
            **({} if self.mask_policy is None else {"mask_policy": self.mask_policy}),
        }
