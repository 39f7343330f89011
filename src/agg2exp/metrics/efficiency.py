"""What does an attribution cost?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.metrics.base import EvaluationMetric
from agg2exp.metrics.explained_case import ExplainedCase


class Efficiency(EvaluationMetric):
    """Seconds for the attributions of all explained classes of a case together.

    Beside it, `seconds_per_class` and, independent of the machine, `window_forwards` and `window_backwards`. All are
    numbers of the case, the same for each of its classes, also for those that are absent: the time was spent.
    """

    name: ClassVar[str] = "efficiency"
    category: ClassVar[str] = "efficiency"
    higher_is_better: ClassVar[bool | None] = False
    range: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    paper: ClassVar[str] = "Agg²Exp, WACV 2025"

    def evaluate(self, case: ExplainedCase) -> Mapping[str, Tensor]:
        """{"efficiency": (K,), "seconds_per_class": (K,), "window_forwards": (K,), "window_backwards": (K,)}."""
        n_classes = case.attribution.n_classes
        facts = {
            self.name: case.explanation.attribution_seconds,
            "seconds_per_class": case.explanation.attribution_seconds / n_classes,
            "window_forwards": case.explanation.attribution_passes.window_forwards,
            "window_backwards": case.explanation.attribution_passes.window_backwards,
        }
        return {name: torch.full((n_classes,), fact, dtype=torch.float64) for name, fact in facts.items()}

    def evaluations(self, n_classes: int) -> tuple[int, int]:
        """None."""
        return 0, 0
