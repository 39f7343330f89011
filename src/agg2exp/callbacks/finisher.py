"""What belongs to the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from lightning.pytorch.loggers import Logger

from agg2exp.domain.labels import LabelScheme


@runtime_checkable
class Finisher(Protocol):
    """A callback with something to do once, on rank 0, when all cases are done (also if an earlier part did them)."""

    def finish(self, loggers: Sequence[Logger], labels: LabelScheme, expected: Sequence[str]) -> None:
        """Called in the order of the callbacks, with the loggers, the label scheme and the expected cases."""
