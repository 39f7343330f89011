"""Progress over cases, and over the windows inside a case."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from agg2exp.domain.text import visible
from agg2exp.log import logged_above


class TrainingProgress(RichProgressBar):
    """Lightning's bars, with log lines above them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._log = ExitStack()

    def _init_progress(self, trainer: Trainer) -> None:
        super()._init_progress(trainer)
        self._log.close()
        if self._console is not None:
            self._log.enter_context(logged_above(self._console))

    def _stop_progress(self) -> None:
        self._log.close()
        super()._stop_progress()


class ExplanationProgress(ProgressBar):
    """Two bars on rank 0: cases, and the windows of the current case."""

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None
        self._log = ExitStack()
        self._enabled = True

    def disable(self) -> None:
        """Called by Lightning on every rank but 0."""
        self._enabled = False

    def enable(self) -> None:
        """Show the bars again."""
        self._enabled = True

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bars and ask the module to report its windows."""
        if not self._enabled:
            return
        self._progress = Progress(
            TextColumn("{task.description:<24}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._cases = self._progress.add_task("cases", total=int(sum(trainer.num_predict_batches)))
        self._windows = self._progress.add_task("windows", total=None)
        self._progress.start()
        self._log.enter_context(logged_above(self._progress.console))
        module: Any = pl_module
        module.progress = self

    def begin(self, case_id: str, total: int) -> None:
        """A case starts."""
        if self._progress is not None:
            self._progress.reset(self._windows, description=f"windows of {visible(case_id)}", total=total)

    def advance(self, windows: int) -> None:
        """So many windows more are done."""
        if self._progress is not None:
            self._progress.advance(self._windows, windows)

    def on_predict_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """A case is done."""
        if self._progress is not None:
            self._progress.advance(self._cases)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bars."""
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the bars, so that the message below them is readable."""
        self._stop()

    def _stop(self) -> None:
        self._log.close()
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
