"""What had to be assumed in reading cases, said once a run."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from lightning import Callback, LightningModule, Trainer

from agg2exp.domain.case import Case

log = logging.getLogger(__name__)


class Notices(Callback):
    """Warns of each notice at the first case that has it, and says at the end how many have."""

    def __init__(self) -> None:
        self._cases: Counter[str] = Counter()

    def on_predict_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, *_: Any) -> None:
        """Called by Lightning before every case."""
        if not isinstance(batch, Case):
            return
        for notice in batch.notices:
            self._cases[notice] += 1
            if self._cases[notice] == 1:
                log.warning("case %s: %s", batch.id, notice)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the cases behind each notice that several have."""
        for notice, n in self._cases.items():
            if n > 1:
                log.warning("%d cases: %s", n, notice)
