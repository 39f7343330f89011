"""What evaluation metrics of attributions have in common."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.domain.case import Case
from agg2exp.domain.description import described
from agg2exp.metrics.explained_case import ExplainedCase

log = logging.getLogger(__name__)


class EvaluationMetric(ABC):
    """One value per (case, class).

    A subclass gives `evaluate`, which wraps a pure function of tensors, and says what it is as class data.

    Attributes:
        name: Name in tables and trackers.
        category: "faithfulness", "sensitivity", "complexity", "efficiency" or "sanity".
        higher_is_better: Direction; None for values that are only described.
        range: Smallest and largest possible value.
        paper: Where it was proposed.
    """

    name: ClassVar[str]
    category: ClassVar[str]
    higher_is_better: ClassVar[bool | None]
    range: ClassVar[tuple[float, float]]
    paper: ClassVar[str]

    def check(self, case: Case) -> None:  # noqa: B027 - most metrics allow every case
        """Raise `SettingError` or `CaseError` if a case does not allow the metric, before anything is computed."""

    @abstractmethod
    def evaluate(self, case: ExplainedCase) -> Mapping[str, Tensor]:
        """The metric of one case under its name, (K,) float64, and what belongs beside it under further names.

        A value that is not defined is NaN; see `where_defined`. What belongs beside it may be curves, (K, N, 2)
        float64 of N points (x, y) each.
        """

    @abstractmethod
    def evaluations(self, n_classes: int) -> tuple[int, int]:
        """Perturbed images evaluated for one case by forwards alone, at most, and how often the method is run again.

        Args:
            n_classes: K.
        """

    def settings(self) -> dict[str, str]:
        """What the values depend on, as strings: the class and its arguments (see `described`)."""
        return described(self)

    def where_defined(self, case: ExplainedCase, values: Tensor, reasons: Mapping[str, Tensor] | None = None) -> Tensor:
        """`values` (K,), NaN where a class is absent, an attribution zero, or another of the reasons holds; logged.

        Args:
            case: What is evaluated.
            values: (K,) float64 on the CPU.
            reasons: Further reasons in words, and for which classes they hold, (K,) bool.
        """
        left = torch.ones(len(values), dtype=torch.bool)
        for reason, holds in {
            "the class is absent from the prediction": case.absent,
            "its attribution is zero everywhere": case.peaks == 0,
            "its attribution is not finite": ~case.peaks.isfinite(),
            **(reasons or {}),
        }.items():
            labels = [str(case.scores.classes[k]) for k in (left & holds).nonzero().flatten().tolist()]
            if labels:
                log.info("case %s: no %s for label %s: %s", case.case.id, self.name, ", ".join(labels), reason)
            left &= ~holds
        return values.masked_fill(~left, torch.nan)


def normalised(e: Tensor) -> Tensor:
    """ē = e / max|e| (Appendix B.2), signs kept, in [-1, 1]; NaN if e is zero everywhere."""
    return e / e.abs().amax()
