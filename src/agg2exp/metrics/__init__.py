"""Metrics: a pure function of tensors inside a thin state class."""

from agg2exp.metrics.class_overlap import ClassOverlap

__all__ = ["ClassOverlap"]
