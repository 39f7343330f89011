"""Modules that tell which process explained what, and one whose second process gets into trouble."""

from __future__ import annotations

import os
import time
from pathlib import Path

from agg2exp.modules.explanation import ExplanationModule


class Telling(ExplanationModule):
    """Appends a line `<rank> <process id> <case>` to `journal` for every case that it explains."""

    def __init__(self, *, journal: str, **arguments) -> None:
        super().__init__(**arguments)
        self.journal = Path(journal)

    def explain(self, case):
        with self.journal.open("a") as file:
            file.write(f"{self.trainer.global_rank} {os.getpid()} {case.id}\n")
        return super().explain(case)


class Troubled(Telling):
    """Rank 1 raises outside of any case, or is busy with its first case for ever."""

    def __init__(self, *, trouble: str, **arguments) -> None:
        super().__init__(**arguments)
        self.trouble = trouble

    def on_predict_batch_start(self, *_) -> None:
        if self.trouble == "raises" and self.trainer.global_rank == 1:
            raise LookupError("a mistake outside of the cases")

    def explain(self, case):
        explanation = super().explain(case)
        while self.trouble == "busy" and self.trainer.global_rank == 1:
            time.sleep(0.1)
        return explanation
