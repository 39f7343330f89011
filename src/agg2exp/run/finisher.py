"""What belongs to the end of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from lightning.pytorch.loggers import Logger

from agg2exp.domain.labels import Labels
from agg2exp.metrics.base import EvaluationMetric


class Explained(Protocol):
    """What callbacks need to know of the module at the end."""

    @property
    def labels(self) -> Labels:
        """The model's classes."""

    @property
    def metrics(self) -> Mapping[str, EvaluationMetric]:
        """Evaluation metrics by name."""


@runtime_checkable
class Finisher(Protocol):
    """A callback with something to do once, on rank 0, when all cases are done (also if an earlier part did them)."""

    def finish(self, loggers: Sequence[Logger], module: Explained, expected: Sequence[str]) -> None:
        """Called in the order of the callbacks, with the loggers, the module and the expected cases."""
