"""Modules that tell which process explained what, and one of which a process gets into trouble."""

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
    """One rank raises outside of any case, is busy with its first case for ever, or hangs inside its second one.

    Args:
        trouble: "raises", "busy", "hangs" or "none".
        at: The rank that it happens to.
    """

    def __init__(self, *, trouble: str, at: int = 1, **arguments) -> None:
        super().__init__(**arguments)
        self.trouble = trouble
        self.at = at
        self.cases = 0

    def has(self, trouble: str) -> bool:
        return self.trouble == trouble and self.trainer.global_rank == self.at

    def on_predict_batch_start(self, *_) -> None:
        if self.has("raises"):
            raise LookupError("a mistake outside of the cases")

    def explain(self, case):
        self.cases += 1
        explanation = super().explain(case)
        while self.has("busy"):
            self(case.image.new_zeros(1, *case.image.shape[:1], 8, 8, 8))
            time.sleep(0.1)
        return explanation

    def forward(self, x):
        while self.cases == 2 and self.has("hangs"):
            time.sleep(1000)
        return super().forward(x)
