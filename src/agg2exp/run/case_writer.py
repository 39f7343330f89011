"""What all writers share: one case's trouble stays with that case."""

from __future__ import annotations

import traceback
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from agg2exp.domain.case import Case, Failure
from agg2exp.domain.errors import SettingError
from agg2exp.domain.explanation import Explanation
from agg2exp.domain.labels import Labels
from agg2exp.store.failures import FailureLog


def known_classes(labels: Labels, names: Sequence[str] | str, setting: str) -> tuple[int, ...]:
    """Label indices of the classes that a writer's setting names.

    Raises:
        SettingError: A name is no class; the message has the writer's own setting.
    """
    try:
        return labels.indices(names)
    except SettingError as error:
        raise SettingError(setting, names, f"'all' or a list without repeats from {list(labels.classes)}") from error


class CaseWriter(BasePredictionWriter):
    """Writes something for every explained case as soon as it is done.

    An exception while writing is recorded under the writer's `stage`, and the run goes on.

    Args:
        output: The run's folder.
    """

    stage = "writing"

    def __init__(self, output: str | Path) -> None:
        super().__init__("batch")
        self.output = Path(output)
        self.failures = FailureLog(self.output)

    @abstractmethod
    def write_case(self, labels: Labels, case: Case, explanation: Explanation) -> None:
        """Write what belongs to one case."""

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Explanation | Failure,
        batch_indices: Sequence[int] | None,
        batch: Case | Failure,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Called by Lightning after every case."""
        if isinstance(prediction, Failure) or isinstance(batch, Failure):
            return
        labels: Any = pl_module.labels
        try:
            self.write_case(labels, batch.to(prediction.prediction.device), prediction)
        except Exception as error:  # noqa: BLE001 - recorded with its traceback, and the exit code tells
            message = str(error) if str(error).startswith("case ") else f"case {batch.id}: {error}"
            self.failures.record(Failure(batch.id, self.stage, message, traceback.format_exc()))


class FailureWriter(Callback):
    """Records the cases that could not be read or explained.

    Args:
        output: The run's folder.
    """

    def __init__(self, output: str | Path) -> None:
        self.failures = FailureLog(Path(output))

    def on_predict_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any) -> None:
        """Called by Lightning after every case."""
        if isinstance(outputs, Failure):
            self.failures.record(outputs)
