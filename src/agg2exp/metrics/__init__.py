"""Metrics: a pure function of tensors, and a class around it that asks the explained case for them."""

from agg2exp.metrics.base import EvaluationMetric
from agg2exp.metrics.class_overlap import ClassOverlap
from agg2exp.metrics.completeness import Completeness
from agg2exp.metrics.complexity import Complexity
from agg2exp.metrics.efficiency import Efficiency
from agg2exp.metrics.explained_case import ExplainedCase
from agg2exp.metrics.faithfulness import Faithfulness
from agg2exp.metrics.insertion_deletion import InsertionDeletion
from agg2exp.metrics.randomisation import Randomisation
from agg2exp.metrics.sensitivity import Sensitivity

__all__ = [
    "ClassOverlap",
    "Completeness",
    "Complexity",
    "Efficiency",
    "EvaluationMetric",
    "ExplainedCase",
    "Faithfulness",
    "InsertionDeletion",
    "Randomisation",
    "Sensitivity",
]
