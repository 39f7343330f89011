"""Over how many voxels does an attribution spread?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.domain.errors import check_range
from agg2exp.metrics.base import EvaluationMetric, normalised
from agg2exp.metrics.explained_case import ExplainedCase


def complexity(e: Tensor, threshold: float) -> Tensor:
    """|{i : |ē(i)| > θ}| / p (Eq. 10), ē = e / max|e|, over all voxels and channels; () float64.

    >>> complexity(torch.tensor([5.0, -1.0, 0.2, 0.0]), threshold=0.1)
    tensor(0.5000, dtype=torch.float64)
    """
    return (normalised(e).abs() > threshold).double().mean()


class Complexity(EvaluationMetric):
    """|{i : |ē_c(i)| > θ}| / p (Eq. 10): the share of voxels (and channels) whose attribution matters.

    Args:
        threshold: θ.

    Raises:
        SettingError: θ is outside [0, 1).
    """

    name: ClassVar[str] = "complexity"
    category: ClassVar[str] = "complexity"
    higher_is_better: ClassVar[bool | None] = False
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    paper: ClassVar[str] = "Nguyen and Martínez 2020, On Quantitative Aspects of Model Interpretability"

    def __init__(self, threshold: float = 0.1) -> None:
        check_range("threshold", threshold, 0, 1, below=True)
        self.threshold = threshold

    def evaluate(self, case: ExplainedCase) -> Mapping[str, Tensor]:
        """{"complexity": (K,)}."""
        e = case.attribution
        values = torch.stack([complexity(e.dense(k), self.threshold).cpu() for k in range(e.n_classes)])
        return {self.name: self.where_defined(case, values)}

    def evaluations(self, n_classes: int) -> tuple[int, int]:
        """None."""
        return 0, 0
