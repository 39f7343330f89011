"""Cases that failed, each in a file of its own until the end of the run."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from agg2exp.domain.case import Failure
from agg2exp.domain.names import safe_name
from agg2exp.io.atomic import UnwritableError, written_whole

log = logging.getLogger(__name__)


class FailureLog:
    """`<output>/failures/<case>-<stage>.json`, merged to `<output>/failures.csv`.

    Args:
        output: The run's folder.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = output / "failures"

    def record(self, failure: Failure) -> None:
        """Keep a failure; if even that cannot be written, it goes to the log and the case counts as missing.

        Raises:
            UnwritableError: The disk takes nothing more, so it is no use to go on.
        """
        log.error("%s failed: %s", failure.stage, failure.error)
        try:
            with written_whole(self.folder / f"{safe_name(failure.case_id)}-{failure.stage}.json") as path:
                path.write_text(json.dumps(asdict(failure), indent=2))
        except UnwritableError:
            raise
        except OSError as error:
            log.error("the failure could not be written to %s: %s", self.folder, error)

    def read(self) -> list[Failure]:
        """All failures, sorted by case and stage."""
        files = sorted(self.folder.glob("*.json"))
        return [Failure(**json.loads(path.read_text())) for path in files]

    def forget(self, case_ids: Collection[str]) -> None:
        """Remove what was recorded of cases that are tried again."""
        for path in self.folder.glob("*.json"):
            if json.loads(path.read_text())["case_id"] in case_ids:
                path.unlink()

    def merge(self) -> list[Failure]:
        """Write `failures.csv` (columns case_id, stage, error, traceback) if there are any."""
        failures = self.read()
        (self.output / "failures.csv").unlink(missing_ok=True)  # of an earlier part of the run
        if failures:
            with written_whole(self.output / "failures.csv") as path:
                pd.DataFrame([asdict(f) for f in failures]).to_csv(path, index=False)
        return failures
