"""What a table says of a metric's numbers beside their values."""

from __future__ import annotations

from agg2exp.domain.metric_facts import MetricFacts
from agg2exp.metrics.base import EvaluationMetric


def facts_of(metric: EvaluationMetric, is_by_product: bool = False) -> MetricFacts:
    """What a number of a metric is; a by-product of it, such as the Dice beside the sensitivity, has no direction."""
    direction = None if is_by_product else metric.higher_is_better
    return MetricFacts(metric.name, metric.category, direction, metric.paper)
