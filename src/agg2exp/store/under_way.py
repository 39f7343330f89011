"""Which cases were under way when a part of a run was killed."""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

PART, CASE, IN_ORDER = "part", "case", "in order"


class UnderWay:
    """A journal, `<output>/.hydra/begun.jsonl`.

    It has a line when a part of the run begins, for each case that is begun, and when the part ends in order, whatever
    it ends with. Only a kill leaves a part without its end.

    Args:
        output: The run's folder.
    """

    def __init__(self, output: Path) -> None:
        self.path = output / ".hydra" / "begun.jsonl"

    def start(self) -> None:
        """A part of the run begins."""
        self._append({PART: os.getpid()})

    def begin(self, case_id: str) -> None:
        """A case is about to be read."""
        self._append({CASE: case_id})

    def end(self) -> None:
        """The part ends in order, if one was begun."""
        if self.path.is_file():
            self._append({IN_ORDER: True})

    def killed(self) -> dict[str, int]:
        """By case, how many parts it was begun in that were killed."""
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return {}
        parts: list[set[str]] = [set()]
        for line in lines:
            with suppress(ValueError, TypeError):  # a line that was cut off
                entry = json.loads(line)
                if PART in entry:
                    parts.append(set())
                elif CASE in entry:
                    parts[-1].add(str(entry[CASE]))
                elif IN_ORDER in entry:
                    parts[-1] = set()
        return dict(Counter(case for part in parts for case in part))

    def _append(self, entry: dict[str, object]) -> None:
        with suppress(OSError):  # a full disk is told where results are written
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
