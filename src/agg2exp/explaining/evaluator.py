"""The evaluation metrics of explained cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from agg2exp.domain.case import Case
from agg2exp.domain.explanation import Explanation
from agg2exp.domain.metric_facts import MetricFacts
from agg2exp.domain.roles import CaseProgress
from agg2exp.explaining.cost import Cost
from agg2exp.explaining.explainer import Explainer
from agg2exp.explaining.memory_fallback import USUAL, MemoryFallback
from agg2exp.metrics import EvaluationMetric, ExplainedCase
from agg2exp.metrics.facts import facts_of
from agg2exp.store.array_cache import ArrayCache


class Evaluator:
    """Explanation -> the same with evaluation metrics.

    Args:
        explainer: What explained the cases, and is asked again.
        metrics: By name. One metric may stand under two names, which then begin the names of its values.
        cache: Where scores of perturbed images are kept between runs, so that runs with other methods need not compute
            them again; by default nowhere.
    """

    def __init__(
        self,
        explainer: Explainer,
        metrics: Mapping[str, EvaluationMetric] | None = None,
        cache: ArrayCache | None = None,
    ) -> None:
        self.explainer = explainer
        self.metrics = dict(metrics or {})
        self.cache = cache or ArrayCache(None)

    @property
    def cost(self) -> Cost:
        """How much work a case is, metrics included."""
        return replace(self.explainer.cost, metrics=self.metrics)

    def settings(self) -> dict[str, str]:
        """What the result depends on, metrics included."""
        return {**self.explainer.hooks.settings(), **self._of_metrics()}

    def explain(
        self, case: Case, fallback: MemoryFallback = USUAL, progress: CaseProgress | None = None
    ) -> Explanation:
        """Explanation of a case with its metrics; what a metric cannot do is said before anything is computed."""
        for metric in self.metrics.values():
            metric.check(case)
        explanation = self.explainer.explain(case, fallback, progress, self.cost)
        return self.evaluate(case, explanation, fallback, progress)

    def evaluate(
        self, case: Case, explanation: Explanation, fallback: MemoryFallback = USUAL,
        progress: CaseProgress | None = None,
    ) -> Explanation:  # fmt: skip
        """The explanation with the metrics of the case."""
        if not self.metrics:
            return explanation
        explained = self.explained(case, explanation, fallback, progress)
        quality: dict[str, Tensor] = {}
        curves: dict[str, Tensor] = {}
        costs: dict[str, Tensor] = {}
        facts: dict[str, MetricFacts] = {}
        for name, metric in self.metrics.items():
            numbers = costs if metric.category == "efficiency" else quality
            for value, tensor in metric.evaluate(explained).items():
                entry = _renamed(value, metric.name, name)
                (numbers if tensor.ndim == 1 else curves)[entry] = tensor
                if tensor.ndim == 1:
                    facts[entry] = facts_of(metric, is_by_product=entry != name and metric.category != "efficiency")
        settings = {**explanation.settings, **self._of_metrics()}
        return replace(
            explanation, settings=settings, metrics=quality, curves=curves, efficiency=costs, metric_facts=facts
        )

    def explained(
        self, case: Case, explanation: Explanation, fallback: MemoryFallback = USUAL,
        progress: CaseProgress | None = None,
    ) -> ExplainedCase:  # fmt: skip
        """What metrics see of an explained case."""
        asked = self.explainer.at(case, fallback, progress, explanation.settings)
        return ExplainedCase(asked, case, explanation, self.cache)

    def _of_metrics(self) -> dict[str, str]:
        settings = {name: metric.settings() for name, metric in self.metrics.items()}
        return {f"metric {name}: {key}": value for name, own in settings.items() for key, value in own.items()}


def _renamed(value: str, metric: str, name: str) -> str:
    return name if value == metric else f"{name}_{value.removeprefix(f'{metric}_')}"
