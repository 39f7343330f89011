"""Cases that failed, each in a file of its own until the end of the run."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from agg2exp.domain.case import Failure
from agg2exp.domain.names import safe_name
from agg2exp.store.atomic import UnwritableError, atomic_write
from agg2exp.store.ownership import NotOursError, remove
from agg2exp.store.spreadsheet import for_spreadsheet

log = logging.getLogger(__name__)

COLUMNS = tuple(column.name for column in fields(Failure))


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
            with atomic_write(self.folder / f"{safe_name(failure.case_id)}-{failure.stage}.json") as path:
                path.write_text(json.dumps(asdict(failure), indent=2), encoding="utf-8")
        except UnwritableError:
            raise
        except OSError as error:
            log.error("the failure could not be written to %s: %s", self.folder, error)

    def read(self) -> list[Failure]:
        """All failures, sorted by case and stage; a damaged record is named in the log and left out."""
        found = {path: _record(path) for path in self._files()}
        for path in (path for path, failure in found.items() if failure is None):
            log.warning("%s is no readable record of a failure and is left out", path)
        return sorted((f for f in found.values() if f is not None), key=lambda f: (f.case_id, f.stage))

    def forget(self, case_ids: Collection[str]) -> None:
        """Remove what was recorded of cases that are tried again."""
        for path in self._files():
            failure = _record(path)
            if failure is not None and failure.case_id in case_ids:
                remove(path, lambda path: _record(path) is not None)

    def merge(self, missing: Mapping[str, str] = MappingProxyType({})) -> list[Failure]:
        """Write `failures.csv` (columns case_id, stage, error, traceback) if there are any.

        Args:
            missing: Why cases have no result, by case; those of which nothing was recorded are recorded now.
        """
        known = {failure.case_id for failure in self.read()}
        for case, reason in missing.items():
            if case not in known:
                self.record(Failure(case, "finishing", f"case {case}: {reason}", ""))
        failures = self.read()
        table = self.output / "failures.csv"
        if failures:
            with atomic_write(table) as path:
                for_spreadsheet(pd.DataFrame([asdict(f) for f in failures])).to_csv(path, index=False)
        else:
            try:
                remove(table, _is_table)  # of an earlier part of the run
            except NotOursError as error:
                log.warning("%s", error)
        return failures

    def _files(self) -> list[Path]:
        """Files of records, without those that are being written or were never completed."""
        return sorted(path for path in self.folder.glob("*.json") if not path.name.startswith("."))


def _record(path: Path) -> Failure | None:
    """The failure in a file; None if it is damaged or not one of ours."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        failure = Failure(**content)
    except (OSError, ValueError, TypeError):
        return None
    return failure if all(isinstance(value, str) for value in content.values()) else None


def _is_table(path: Path) -> bool:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return next(csv.reader(file), []) == list(COLUMNS)
