"""Does an attribution add up to the change of the score?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.metrics.base import EvaluationMetric
from agg2exp.metrics.explained_case import ExplainedCase


class Completeness(EvaluationMetric):
    """|Σ_i e_c(i) - Δ_c| / |Δ_c|, Δ_c = f̂_c(x) - f̂_c(x′), as the method itself found it.

    NaN for methods that promise no completeness; see the note `completeness_gap` of an attribution.
    """

    name: ClassVar[str] = "completeness"
    category: ClassVar[str] = "sanity"
    higher_is_better: ClassVar[bool | None] = False
    range: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    paper: ClassVar[str] = "Sundararajan et al. 2017, Axiomatic Attribution for Deep Networks"

    def evaluate(self, case: ExplainedCase) -> Mapping[str, Tensor]:
        """{"completeness": (K,)}."""
        gap = case.attribution.notes.get("completeness_gap")
        unknown = torch.full((case.attribution.n_classes,), torch.nan, dtype=torch.float64)
        values = unknown if gap is None else gap.double().cpu()
        return {self.name: self.where_defined(case, values, {"the method gives no completeness gap": values.isnan()})}

    def evaluations(self, n_classes: int) -> tuple[int, int]:
        """None."""
        return 0, 0
