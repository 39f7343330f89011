"""What a table says of an evaluation metric beside its values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricFacts:
    """What a number of a case is.

    Attributes:
        metric: Name of the metric that it belongs to.
        category: "faithfulness", "sensitivity", "complexity", "efficiency" or "sanity".
        higher_is_better: Direction; None for numbers that are only described, such as by-products of a metric.
        paper: Where the metric was proposed.
    """

    metric: str
    category: str
    higher_is_better: bool | None
    paper: str
