"""The evaluation metrics of one case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from agg2exp.domain.metric_facts import MetricFacts
from agg2exp.metrics.base import Evaluation, EvaluationMetric
from agg2exp.metrics.facts import facts_of


class Evaluated(NamedTuple):
    """What the metrics of a case gave, by name.

    Attributes:
        quality: Of the attributions, (K,) each; repeats exactly.
        curves: Beside it, (K, N, 2) points each.
        cost: Of the attributions, (K,) each; does not repeat.
        facts: What each entry of `quality` and `cost` is.
    """

    quality: dict[str, Tensor]
    curves: dict[str, Tensor]
    cost: dict[str, Tensor]
    facts: dict[str, MetricFacts]


def evaluated(metrics: Mapping[str, EvaluationMetric], case: Evaluation) -> Evaluated:
    """All metrics of a case. One may be asked for twice under two names, which then begin the names of its values."""
    found = Evaluated({}, {}, {}, {})
    for name, metric in metrics.items():
        numbers = found.cost if metric.category == "efficiency" else found.quality
        for value, tensor in metric.evaluate(case).items():
            entry = _renamed(value, metric.name, name)
            (numbers if tensor.ndim == 1 else found.curves)[entry] = tensor
            if tensor.ndim == 1:
                found.facts[entry] = facts_of(metric, is_by_product=entry != name and metric.category != "efficiency")
    return found


def _renamed(value: str, metric: str, name: str) -> str:
    return name if value == metric else f"{name}_{value.removeprefix(f'{metric}_')}"
