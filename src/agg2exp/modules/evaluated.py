"""The evaluation metrics of one case."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from agg2exp.metrics.base import Evaluation, EvaluationMetric


def evaluated(metrics: Mapping[str, EvaluationMetric], case: Evaluation) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Values (K,) by name: of the attribution's quality, which repeat exactly, and of its cost, which do not.

    A metric may be asked for twice under two names, which then begin the names of its values.
    """
    quality: dict[str, Tensor] = {}
    cost: dict[str, Tensor] = {}
    for name, metric in metrics.items():
        values = {_renamed(value, metric.name, name): v for value, v in metric.evaluate(case).items()}
        (cost if metric.category == "efficiency" else quality).update(values)
    return quality, cost


def _renamed(value: str, metric: str, name: str) -> str:
    return name if value == metric else f"{name}_{value.removeprefix(f'{metric}_')}"
