"""Modules that tell which process explained what, and one of which a process gets into trouble."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

from agg2exp.run.module import ExplanationModule


class Telling(ExplanationModule):
    """Appends a line `<rank> <process id> <case>` to `journal` for every case that it explains."""

    def __init__(self, *, journal: str, **arguments) -> None:
        super().__init__(**arguments)
        self.journal = journal  # as text: a path would be described by the content of its file, which grows

    def explain(self, case, *fallback):
        with Path(self.journal).open("a") as file:
            file.write(f"{self.trainer.global_rank} {os.getpid()} {case.id}\n")
        return super().explain(case, *fallback)


class Troubled(Telling):
    """One rank raises outside of any case, is busy with its first case for ever, or hangs inside its second one.

    Args:
        trouble: A file with "raises", "busy", "hangs" or "none", which goes on without trouble once it says so.
        at: The rank that it happens to.
    """

    def __init__(self, *, trouble: str, at: int = 1, **arguments) -> None:
        super().__init__(**arguments)
        self.trouble = trouble
        self.at = at
        self.cases = 0

    def has(self, trouble: str) -> bool:
        return Path(self.trouble).read_text() == trouble and self.trainer.global_rank == self.at

    def on_predict_batch_start(self, *_) -> None:
        if self.has("raises"):
            raise LookupError("a mistake outside of the cases")

    def explain(self, case, *fallback):
        self.cases += 1
        explanation = super().explain(case, *fallback)
        while self.has("busy"):
            self(case.image.new_zeros(1, *case.image.shape[:1], 8, 8, 8))
            time.sleep(0.1)
        return explanation

    def forward(self, x):
        while self.cases == 2 and self.has("hangs"):
            time.sleep(1000)
        return super().forward(x)


class Killed(ExplanationModule):
    """Is killed at a case, or does not get the memory for it.

    Args:
        trouble: A path without its ending, .txt, of a file with the case ("" for none) and what happens at it.
            "explaining": killed as the kernel does when memory runs out; "recording": it fails, and the process is
            killed while it writes that down; "memory": the limit of the process is below what the case takes.
    """

    def __init__(self, *, trouble: str, **arguments) -> None:
        super().__init__(**arguments)
        self.trouble = trouble

    def explain(self, case, *fallback):
        at, how = Path(f"{self.trouble}.txt").read_text().split(",")
        if case.id != at:
            return super().explain(case, *fallback)
        if how == "explaining":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "recording":
            Path.write_text = _killed_half_way
            raise LookupError("a case that fails")
        before = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**28, before[1]))
        try:
            return bytearray(2**32)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)


def _killed_half_way(path: Path, text: str, **_) -> None:
    path.write_bytes(text[: len(text) // 2].encode())
    os.kill(os.getpid(), signal.SIGKILL)
